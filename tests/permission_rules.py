"""Who may see and do what: the rules that permissions are tested by, and that docs/permissions.md is
made from.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

# "practice" means reception and administrators.
EVERYBODY: Final = "anonymous stranger robin link ada ben practice"
STAFF: Final = "ada ben practice"
THOSE_IN_IT: Final = "robin link ada practice"
OTHERS: Final = "other-guest other-robin other-ada other-admin"
"""Of another organization; Robin and Ada go by the same subjects there."""
NOBODY: Final = ""

# Whose field it is, by type and by who sees it. “link” is the appointment's manage token, used as a
# bearer token.
FIELDS: Final[Mapping[str, Mapping[str, str]]] = {
    "Provider": {
        EVERYBODY: """
            id name isArchived timeZone serviceDurationMinutes bufferMinutes slotIntervalMinutes minNoticeMinutes
            maxAdvanceBookingDays
            cancellationPolicy cancellationPolicy.freeUntilMinutesBefore cancellationPolicy.lateCancellation
            cancellationPolicy.lateFee cancellationPolicy.lateFee.amountMinor cancellationPolicy.lateFee.currency
            cancellationPolicy.lateFee.formatted
            cancellationPolicy.graceMinutes cancellationPolicy.chargesNoShow
            weeklyHours weeklyHours.id weeklyHours.weekday weeklyHours.start weeklyHours.end
            weeklyHours.effectiveFrom weeklyHours.effectiveUntil
            breaks breaks.id breaks.weekday breaks.start breaks.end breaks.effectiveFrom breaks.effectiveUntil
            exceptions exceptions.id exceptions.date exceptions.isBlocked exceptions.start exceptions.end
            limits limits.period limits.maxVisits limits.maxMinutes
            services availability nextAvailableSlot appointments description location
        """,  # the page of appointments holds those that the caller may see
        STAFF: "email phone locale channels subject externalId exceptions.reason timeOff busySources",
        "ada practice": "calendarFeedUrl",
        # a provider has no price that there could be a share of
        NOBODY: "cancellationPolicy.lateFeePercent",
    },
    "Service": {
        EVERYBODY: """
            id name isArchived durationMinutes bufferBeforeMinutes bufferAfterMinutes slotIntervalMinutes minNoticeMinutes
            maxAdvanceBookingDays price price.amountMinor price.currency price.formatted
            cancellationPolicy cancellationPolicy.freeUntilMinutesBefore cancellationPolicy.lateCancellation
            cancellationPolicy.lateFee cancellationPolicy.lateFee.amountMinor cancellationPolicy.lateFee.currency
            cancellationPolicy.lateFee.formatted
            cancellationPolicy.graceMinutes cancellationPolicy.chargesNoShow
            cancellationPolicy.lateFeePercent providers providersNeeded assignment seats maxOpenPerCustomer
            needs needs.name needs.count needs.resources availability nextAvailableSlot
            limits limits.period limits.maxVisits limits.maxMinutes description location
        """,
        STAFF: "externalId",
    },
    "Location": {
        EVERYBODY: "id name address phone email url directions timeZone isArchived",
        STAFF: "externalId",
    },
    "Organization": {
        EVERYBODY: "id slug name phone email url locations",
        STAFF: "smsToUnverifiedNumbers allowsCustomerOverlap reminderMinutesBefore locale",
    },
    # Others see some of it where a service needs it, never by its id.
    "Resource": {
        STAFF: """
            id name kind timeZone units alwaysOpen isArchived externalId
            weeklyHours weeklyHours.id weeklyHours.weekday weeklyHours.start weeklyHours.end
            weeklyHours.effectiveFrom weeklyHours.effectiveUntil
            breaks breaks.id breaks.weekday breaks.start breaks.end breaks.effectiveFrom breaks.effectiveUntil
            exceptions exceptions.id exceptions.date exceptions.isBlocked exceptions.start exceptions.end
            exceptions.reason timeOff busySources
        """,
    },
    "TimeOff": {STAFF: "id from until reason provider resource"},
    "BusySource": {
        STAFF: "id name lastReadAt failingSince problem busyTimes busyTimes.startsAt busyTimes.endsAt",
        "ada practice": "url",
    },
    # A provider sees those whom they serve.
    "Customer": {
        "robin ada practice": "id name email phone timeZone locale channels createdAt appointments",
        "ada practice": "externalId",
        "robin": "calendarFeedUrl",
    },
    "Appointment": {
        THOSE_IN_IT: """
            id status startsAt endsAt customerTimeZone notes version createdAt localStart localEnd calendarUid
            provider providers resources
            service location seats price price.amountMinor price.currency price.formatted
            contact contact.name contact.email contact.phone contact.locale contact.channels
            cancellationQuote cancellationQuote.freeUntil cancellationQuote.allowed
            reschedulingQuote reschedulingQuote.allowed reschedulingQuote.until
            reschedulingQuote.reason
            reminders messages
        """,
        # The provider's side cancels for nothing.
        "robin link": (
            "cancellationQuote.fee cancellationQuote.fee.amountMinor cancellationQuote.fee.currency "
            "cancellationQuote.fee.formatted calendarFeedUrl"
        ),
        # The link is the other appointment's, which was not cancelled.
        "robin ada practice": """
            cancelledAt cancellationReason cancellationFee cancellationFee.amountMinor cancellationFee.currency
            cancellationFee.formatted customer fee fee.amountMinor fee.currency fee.formatted
        """,
        # It is too late for the customer to move it: only the provider's side still can.
        "ada practice": """
            externalId rescheduleAvailability session staffNotes
            history history.version history.kind history.occurredAt history.actor history.actorSubject
            history.fromStatus history.toStatus history.fromStartsAt history.toStartsAt history.reason
            history.fromProviders history.toProviders history.assignment history.ignored
        """,
    },
    "Reminder": {
        THOSE_IN_IT: """
            id kind channel recipient status dueAt sentAt detail isResend provider minutesBefore
        """
    },
    # Its caller has it, with its token, from the mutation that made it.
    "Hold": {
        "ada practice": "id holdToken startsAt endsAt seats expiresAt provider providers",
    },
    # Its customers never learn of one another.
    "Session": {
        "ada practice": """
            id service providers resources startsAt endsAt seats seatsTaken isCancelled calendarUid appointments
        """,
    },
    "Webhook": {"admin": "id url types isActive disabledReason createdAt deliveries"},
    "Delivery": {
        "admin": """
            id event event.id event.cursor event.type event.occurredAt event.subject event.actor
            event.actorSubject status attempts lastAttemptAt nextAttemptAt responseStatus problem
        """,
        # the rules are shown by a test event, which has none
        NOBODY: "event.version",
    },
}

# Root fields, and the callers who get data from them.
QUERIES: Final[Mapping[str, tuple[str, str]]] = {
    "node": ("node(id: $provider) { id }", EVERYBODY),
    "nodes": ("nodes(ids: [$appointment]) { id }", THOSE_IN_IT),
    "viewer": ("viewer { role }", f"{EVERYBODY} {OTHERS}"),
    "organization": (
        "organization { slug name phone email url }",
        f"{EVERYBODY} {OTHERS}",
    ),
    "provider": ("provider(id: $provider) { id }", EVERYBODY),
    "providers": ("providers(ids: [$provider]) { nodes { id } }", EVERYBODY),
    "service": ("service(id: $service) { id }", EVERYBODY),
    "services": ("services(ids: [$service]) { nodes { id } }", EVERYBODY),
    "resource": ("resource(id: $resource) { id }", STAFF),
    "resources": ("resources(ids: [$resource]) { nodes { id } }", STAFF),
    "nextAvailableSlots": ("nextAvailableSlots(providerIds: [$provider]) { startsAt }", EVERYBODY),
    "explainTime": (
        'explainTime(providerId: $provider, startsAt: "2026-01-13T10:00:00Z") { reasons }',
        EVERYBODY,
    ),
    "appointment": ("appointment(id: $appointment) { id }", THOSE_IN_IT),
    "customer": ("customer(id: $customer) { id }", "robin ada practice"),
    "byExternalId": ('byExternalId(type: CUSTOMER, externalId: "robin-1") { id }', "ada practice"),
    "customerExport": ("customerExport(id: $customer) { json }", "robin admin"),
    "customers": ("customers { nodes { id } }", "ada practice"),
    "appointments": ("appointments { nodes { id } }", "robin ada practice"),
    "sessions": (
        'sessions(from: "2026-01-01T00:00:00Z", to: "2026-02-01T00:00:00Z") { nodes { id } }',
        "ada practice",
    ),
    "strandedAppointments": (
        "strandedAppointments { pageInfo { hasNextPage } }",
        f"{STAFF} other-ada other-admin",
    ),
    "messageTemplates": ("messageTemplates { kind }", "admin"),
    "webhooks": ("webhooks { id }", "admin"),
    "events": ("events { pageInfo { hasNextPage } }", "admin other-admin"),
    "previewMessage": (
        "previewMessage(kind: BOOKED, recipient: CUSTOMER, channel: EMAIL) { text }",
        "admin other-admin",
    ),
}

# Who may, and with what. Others get NotAllowedError or NotFoundError.
MUTATIONS: Final[Mapping[str, str]] = {
    "updateOrganization": "admin other-admin",  # each their own
    "createLocation": "admin other-admin",  # each in their own organization
    "updateLocation": "admin",
    "createProvider": "admin other-admin",  # each in their own organization
    "updateProvider": "ada practice",
    "createService": "admin",
    "updateService": "admin",
    "createResource": "admin other-admin",  # each in their own organization
    "updateResource": "admin",
    "setWeeklyHours": "ada practice",
    "setException": "ada practice",
    "removeException": "ada practice",
    "addTimeOff": "ada practice",
    "updateTimeOff": "ada practice",
    "removeTimeOff": "ada practice",
    "setBusyTimes": "ada practice",
    "addBusyFeed": "ada practice",
    "removeBusySource": "ada practice",
    "holdSlot": "anonymous stranger robin ada practice",
    "releaseHold": EVERYBODY,  # with its token
    "bookAppointment": "anonymous stranger robin ada practice",
    "rescheduleAppointment": THOSE_IN_IT,
    "cancelAppointment": THOSE_IN_IT,
    "updateAppointment": THOSE_IN_IT,
    "renewManageToken": "robin ada practice",
    "cancelSession": "ada practice",
    "rescheduleSession": "ada practice",
    "completeAppointment": "ada practice",
    "markNoShow": "ada practice",
    "createCustomer": "ada ben practice other-admin",
    "updateCustomer": "robin practice",
    "eraseCustomer": "admin",
    "resendReminder": "ada practice",
    "setMessageTemplate": "admin other-admin",
    "renewCalendarFeed": "ada practice",
    "createWebhook": "admin other-admin",  # each in their own organization
    "updateWebhook": "admin",
    "deleteWebhook": "admin",
    "rotateWebhookSecret": "admin",
    "sendTestEvent": "admin",
    "redeliver": "admin",
    "advanceClock": NOBODY,  # only where there is a test clock
}


def of(audience: str) -> set[str]:
    """The callers of a rule."""
    return set(audience.replace("practice", "reception admin").split())
