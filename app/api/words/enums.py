"""The enums of the domain, as GraphQL shows them, every value described."""

from enum import Enum, StrEnum

import strawberry

from app.core.appointment import AppointmentOrder, AppointmentStatus
from app.core.changes import AppointmentChangeKind
from app.core.events import EventType
from app.core.external_ids import ExternalType
from app.core.lifecycle import Actor
from app.core.limits import LimitPeriod
from app.core.messages import Channel, MessageKind, MessageStatus, Recipient
from app.core.money import LateCancellation
from app.core.needs import Assignment
from app.core.overrides import RuleSetAside
from app.core.refusals import NotChangeableReason
from app.core.slots import UnbookableReason
from app.core.viewer import Role
from app.core.webhooks import DeliveryStatus

__all__ = [
    "Actor",
    "AppointmentChangeKind",
    "AppointmentOrder",
    "AppointmentStatus",
    "Assignment",
    "Channel",
    "DeliveryStatus",
    "EventType",
    "ExternalType",
    "LateCancellation",
    "LimitPeriod",
    "MessageKind",
    "MessageStatus",
    "NotChangeableReason",
    "Recipient",
    "Role",
    "RuleSetAside",
    "UnbookableReason",
    "Weekday",
]


def _publish(
    enum: type[Enum], description: str, values: dict[str, str], *, name: str | None = None
) -> None:
    """Show an enum of the core in GraphQL: the same members, each with a description."""
    strawberry.enum(enum, name=name, description=description)
    for value in enum.__strawberry_definition__.values:  # type: ignore[attr-defined]  # set by strawberry.enum
        value.description = values[value.name]


class Weekday(StrEnum):
    """The days of the week; `number` counts from Monday, 0."""

    MONDAY = "MONDAY"
    TUESDAY = "TUESDAY"
    WEDNESDAY = "WEDNESDAY"
    THURSDAY = "THURSDAY"
    FRIDAY = "FRIDAY"
    SATURDAY = "SATURDAY"
    SUNDAY = "SUNDAY"

    @property
    def number(self) -> int:
        """0 on Monday, 6 on Sunday."""
        return list(Weekday).index(self)

    @classmethod
    def of(cls, number: int) -> "Weekday":
        """The day with this number."""
        return list(cls)[number]


_publish(
    Weekday,
    "A day of the week, in the provider's zone.",
    {day: f"{day.title()}." for day in Weekday},
)

_publish(
    Role,
    "What a caller is to the organization.",
    {
        "ANONYMOUS": ("Not signed in: may read public availability and book with contact data."),
        "CUSTOMER": "A signed-in customer: sees and changes their own appointments.",
        "PROVIDER": "A provider: sees and changes their own data and appointments.",
        "RECEPTION": (
            "Reception: runs the day in all calendars, and sees and changes customers; changes no "
            "settings of the organization, creates no providers or services, erases nobody."
        ),
        "ADMIN": "An administrator: may do everything in the organization.",
    },
)

_publish(
    LateCancellation,
    "What happens to a cancellation after the free time has passed.",
    {
        "ALLOWED": "It is still free.",
        "FEE": "It costs a fixed fee or a share of the price.",
        "REFUSED": "It is refused.",
    },
)

_publish(
    Assignment,
    "In which order a service's providers are tried for a visit that names none of them.",
    {
        "PRIORITY": "In the order in which the service names them.",
        "LEAST_BUSY": "Fewest booked minutes in the week of the visit first.",
        "LONGEST_IDLE": "Longest time since the service assigned them a visit first.",
    },
)

_publish(
    RuleSetAside,
    "A rule of time that staff set aside for one booking, hold or move. Existing "
    "bookings and holds can't be set aside, and nothing can start in the past. "
    "Providers set aside only their own rules: not those of other providers in "
    "the visit, not the hours of resources, not the customer's limits.",
    {
        "HOURS": "Hours, breaks, exceptions, and that the visit fits into open time. Outside "
        "open time, there is no grid.",
        "GRID": "The grid: the visit starts at any minute.",
        "NOTICE": "The minimum notice.",
        "HORIZON": "How far ahead bookings are taken.",
        "LIMITS": "Limits on visits, and on the open bookings of one customer.",
        "BUSY_ELSEWHERE": "Busy times from elsewhere, such as a private calendar.",
    },
)

_publish(
    AppointmentStatus,
    "The state of an appointment.",
    {
        "CONFIRMED": "Booked; its time is taken.",
        "CANCELLED": "Cancelled; its time is free again. This state is final.",
        "COMPLETED": "It took place.",
        "NO_SHOW": "The customer did not come.",
    },
)

_publish(
    AppointmentOrder,
    "The order of a list of appointments.",
    {
        "START_ASC": "By start, the earliest first.",
        "START_DESC": "By start, the latest first.",
        "CREATED_DESC": "By time of booking, the latest first.",
    },
)

_publish(
    ExternalType,
    "What may have an external id.",
    {
        "PROVIDER": "A provider.",
        "SERVICE": "A service.",
        "RESOURCE": "A room or a device.",
        "LOCATION": "A location of the practice.",
        "CUSTOMER": "A customer.",
        "APPOINTMENT": "An appointment.",
    },
)

_publish(
    LimitPeriod,
    "What visits are counted in, by the date of their start on the provider's calendar.",
    {
        "DAY": "A date.",
        "WEEK": "From Monday to Sunday.",
        "MONTH": "A calendar month.",
    },
)

_publish(
    UnbookableReason,
    "Why an instant can't be booked.",
    {
        "IN_THE_PAST": "It has passed.",
        "TOO_SHORT_NOTICE": "It is sooner than the minimum notice allows.",
        "BEYOND_HORIZON": "It is further ahead than bookings are accepted.",
        "OUTSIDE_HOURS": "It is outside the provider's working hours.",
        "BREAK": "The provider has a weekly break then.",
        "EXCEPTION": "An exception closes that time.",
        "TIME_OFF": "Time off covers it. Staff only: others read EXCEPTION.",
        "NOT_ON_GRID": "The provider is open, but appointments start at other minutes.",
        "DOES_NOT_FIT": "It starts in open time, but does not end in it.",
        "ALREADY_TAKEN": "Another appointment overlaps the visit.",
        "BUFFER": "Only the buffers of two appointments overlap.",
        "HELD": "Somebody holds the time while they fill in a form.",
        "BUSY_ELSEWHERE": "The provider is busy then with something that is not booked here, such "
        "as an event in a private calendar. Staff only: others read ALREADY_TAKEN.",
        "NOBODY_FREE": "None of the service's providers can lead the visit then, or too few of "
        "them can take part.",
        "RESOURCE_TAKEN": "Too few of the rooms or devices that the service needs are free then.",
        "LIMIT_REACHED": "The provider's or the service's limit for that day, week or month is "
        "reached; or the customer has as many open bookings of the service as one may have.",
        "NO_SEATS_LEFT": "Too few seats are left for the party then. A smaller one may find room.",
        "CUSTOMER_BUSY": "The customer has another appointment at that time, and the organization "
        "does not allow that.",
    },
)

_publish(
    NotChangeableReason,
    "Why an appointment can be neither cancelled nor moved any more.",
    {
        "ALREADY_STARTED": "Its start has come.",
        "ALREADY_CANCELLED": "It is cancelled.",
        "ALREADY_CLOSED": "It took place, or nobody came.",
        "TOO_LATE": "Its policy allows no change this close to the start.",
    },
)

_publish(
    AppointmentChangeKind,
    "What happened to an appointment.",
    {
        "BOOKED": "It was booked.",
        "RESCHEDULED": "It was moved to another time.",
        "CANCELLED": "It was cancelled.",
        "COMPLETED": "It took place.",
        "NO_SHOW": "Nobody came.",
        "CORRECTED": "What was given for it was corrected, or its manage link was replaced.",
    },
)

_publish(
    Actor,
    "Who changed an appointment.",
    {
        "GUEST": "Somebody without an account, at booking.",
        "MANAGE_TOKEN": "Somebody with the appointment's manage token.",
        "CUSTOMER": "The signed-in customer.",
        "PROVIDER": "The provider.",
        "RECEPTION": "Reception.",
        "ADMIN": "An administrator.",
        "SYSTEM": "The program itself, after the end.",
    },
    name="AppointmentActor",
)

_publish(
    MessageKind,
    "Why a message is sent.",
    {
        "BOOKED": "The appointment was booked. At once.",
        "RESCHEDULED": "It was moved to another time. At once.",
        "CANCELLED": "It was cancelled. At once.",
        "DAY_BEFORE": "A reminder, 24 elapsed hours before the start.",
        "HOUR_BEFORE": "A reminder, an hour before the start.",
        "BEFORE": "A reminder at another time before the start.",
        "CORRECTED": "An address of the customer was corrected; messages go there from now on. At "
        "once.",
        "READDRESSED": "The same news, to the address that was replaced. At once.",
    },
    name="ReminderKind",
)

_publish(
    Channel,
    "How a message travels.",
    {"EMAIL": "By e-mail.", "SMS": "As a text message."},
    name="ReminderChannel",
)

_publish(
    Recipient,
    "Who receives a message.",
    {
        "CUSTOMER": "The customer, at the contact given at booking.",
        "PROVIDER": "The provider, where they are reached.",
    },
    name="ReminderRecipient",
)

_publish(
    MessageStatus,
    "The status of a message.",
    {
        "PENDING": "It is planned, in transit, or waits for a retry.",
        "SENT": "The mail server or the gateway accepted it.",
        "FAILED": "It could not be delivered; `detail` says why.",
        "SKIPPED": "It was deliberately not sent; `detail` says why.",
    },
    name="ReminderStatus",
)

_publish(
    EventType,
    "What happened.",
    {
        "APPOINTMENT_BOOKED": "An appointment was booked.",
        "APPOINTMENT_RESCHEDULED": "An appointment was moved.",
        "APPOINTMENT_CANCELLED": "An appointment was cancelled.",
        "APPOINTMENT_COMPLETED": "An appointment was completed.",
        "APPOINTMENT_NO_SHOW": "The customer of an appointment did not come.",
        "APPOINTMENT_CORRECTED": "An appointment's contact, notes, zone, external id or link was "
        "changed.",
        "SESSION_RESCHEDULED": "Staff moved a session, with everybody in it.",
        "SESSION_CANCELLED": "Staff cancelled a session, with everybody in it.",
        "HOLD_CREATED": "A time was held.",
        "HOLD_ENDED": "A hold was used or released, or it expired.",
        "MESSAGE_SENT": "A message was sent.",
        "MESSAGE_FAILED": "A message could not be delivered, and is not tried again.",
        "PROVIDER_CHANGED": "A provider was created or changed, or their hours were.",
        "SERVICE_CHANGED": "A service was created or changed, or who offers it.",
        "RESOURCE_CHANGED": "A resource was created or changed, or its hours were.",
        "LOCATION_CHANGED": "A location was created or changed.",
        "ORGANIZATION_CHANGED": "The organization's settings or templates were changed.",
        "CUSTOMER_CHANGED": "A customer's record was made or changed.",
        "CUSTOMER_ERASED": "A customer's personal data were erased.",
        "WEBHOOK_CHANGED": "A webhook was created, changed, deleted or switched off.",
        "WEBHOOK_TESTED": "A test event was sent to a webhook; no other webhook gets it.",
    },
)
_publish(
    DeliveryStatus,
    "The state of a delivery.",
    {
        "PENDING": "It will be tried, or tried again.",
        "DELIVERED": "The receiver answered with a 2xx status.",
        "FAILED": "It was tried for three days, or it was sent by hand and failed.",
    },
)
