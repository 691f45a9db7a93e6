"""Money and cancellation policies, in GraphQL."""

from typing import Annotated

import strawberry

from app.api.words.enums import LateCancellation
from app.core import money as core
from app.core.validation import PolicyForm
from app.notify.wording import money, negotiate


@strawberry.type(description="An amount of money, in whole minor units: never a fraction.")
class Money:
    """Maps the core's `Money`."""

    amount_minor: int = strawberry.field(
        description="In the currency's minor unit: cents for EUR, yen for JPY."
    )
    currency: str = strawberry.field(description="ISO 4217 code, such as EUR.")

    @strawberry.field(
        description="The amount as people write it: €49.50, 49,50 €, ¥1,200. In the regional "
        "format of English, German, French or Spanish; any other locale gives English."
    )
    def formatted(
        self,
        locale: Annotated[
            str, strawberry.argument(description="A language tag, such as de-AT.")
        ] = "en",
    ) -> str:
        """With the currency's own digits, as in messages."""
        return money(
            core.Money(amount_minor=self.amount_minor, currency=self.currency), negotiate(locale)
        )

    @classmethod
    def of(cls, money: core.Money | None) -> "Money | None":
        """From the core."""
        return (
            None if money is None else cls(amount_minor=money.amount_minor, currency=money.currency)
        )


@strawberry.type(description="Until when cancelling is free, and what happens afterwards.")
class CancellationPolicy:
    """Maps the core's `CancellationPolicy`."""

    free_until_minutes_before: int = strawberry.field(
        description=(
            "Cancelling is free until this many elapsed minutes before the start, inclusive."
        )
    )
    late_cancellation: LateCancellation = strawberry.field(
        description="What happens to a later cancellation."
    )
    late_fee: Money | None = strawberry.field(
        description="With FEE: the fixed amount, where the fee is one."
    )
    late_fee_percent: int | None = strawberry.field(
        description="With FEE: the share of the service's price, 1 to 100, where the fee is one."
    )
    grace_minutes: int = strawberry.field(
        description="Cancelling is also free for this many minutes after the booking, until the "
        "start."
    )
    charges_no_show: bool = strawberry.field(
        description="Whether a no-show costs as much as a late cancellation."
    )

    @classmethod
    def of(cls, policy: core.CancellationPolicy) -> "CancellationPolicy":
        """From the core."""
        return cls(
            free_until_minutes_before=policy.free_until_minutes_before,
            late_cancellation=policy.late_cancellation,
            late_fee=Money.of(policy.late_fee),
            late_fee_percent=policy.late_fee_percent,
            grace_minutes=policy.grace_minutes,
            charges_no_show=policy.charges_no_show,
        )


@strawberry.input(description="An amount of money, in whole minor units.")
class MoneyInput:
    """Becomes the core's `Money`."""

    amount_minor: int = strawberry.field(
        description="In the currency's minor unit: cents for EUR, yen for JPY."
    )
    currency: str = strawberry.field(description="ISO 4217 code, such as EUR.")

    def to_core(self) -> core.Money:
        """To the core, unchecked."""
        return core.Money(amount_minor=self.amount_minor, currency=self.currency)


@strawberry.input(description="Until when cancelling is free, and what happens afterwards.")
class CancellationPolicyInput:
    """Becomes the core's `PolicyForm`."""

    free_until_minutes_before: int = strawberry.field(
        description="Cancelling is free until this many elapsed minutes before the start."
    )
    late_cancellation: LateCancellation = strawberry.field(
        description="What happens to a later cancellation."
    )
    late_fee: MoneyInput | None = strawberry.field(
        default=None, description="With FEE: a fixed amount."
    )
    late_fee_percent: int | None = strawberry.field(
        default=None,
        description="With FEE: a share of the service's price, 1 to 100. Services only.",
    )
    grace_minutes: int = strawberry.field(
        default=0,
        description="Cancelling is also free for this many minutes after the booking, until the "
        "start.",
    )
    charges_no_show: bool = strawberry.field(
        default=False,
        description="Whether a no-show costs as much as a late cancellation: with FEE only.",
    )

    def to_core(self) -> PolicyForm:
        """To the core, unchecked."""
        return PolicyForm(
            free_until_minutes_before=self.free_until_minutes_before,
            late_cancellation=self.late_cancellation,
            late_fee=self.late_fee.to_core() if self.late_fee else None,
            late_fee_percent=self.late_fee_percent,
            grace_minutes=self.grace_minutes,
            charges_no_show=self.charges_no_show,
        )
