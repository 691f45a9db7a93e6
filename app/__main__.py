"""`python -m app dev | serve | work | migrate | distribute | schema | seed | token | organization`:
arguments and nothing else.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from app.errors import OperatorError
from app.settings import (
    Settings,
    SettingsError,
    database_url,
    environment,
    token_secret,
    token_settings,
)

DATA_DIR: Final = Path(".data")
_TTL: Final = re.compile(r"(\d{1,6})([smhd])")
_TTL_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}

SETTINGS_EXIT_CODE: Final = 2
"""As argparse's own for arguments that can't be used."""

INTERRUPTED_EXIT_CODE: Final = 130
"""The shells' status for Ctrl-C: 128 and the number of SIGINT."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; what went wrong outside the program is one sentence, without a
    traceback.
    """
    options = command_line().parse_args(arguments)
    run: Callable[[argparse.Namespace], int | None] = options.run
    try:
        return run(options) or 0
    except SettingsError as error:
        print(f"slotwright: {error}", file=sys.stderr)
        return SETTINGS_EXIT_CODE
    except OperatorError as error:
        print(f"slotwright: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED_EXIT_CODE


def _dev(options: argparse.Namespace) -> None:
    from app.development.dev import DevOptions, dev

    dev(
        DevOptions(
            host=options.host,
            port=options.port,
            data_dir=options.data_dir.resolve(),
            seeds=not options.no_seed,
            workers=options.workers,
            test_clock=options.test_clock,
        ),
        environment(),
    )


def _serve(options: argparse.Namespace) -> None:
    settings = Settings.of_this_process()
    from app.process.serve import serve

    if settings.documents is not None:
        # refuses an unusable list once here, instead of in every process of `serve`
        from app.process.asgi import create_app

        create_app(settings)
    serve(settings, host=options.host, port=options.port, workers=options.workers)


def _work(options: argparse.Namespace) -> int:
    settings = Settings.of_this_process()
    if options.check:
        from app.process.health import is_well

        return 0 if asyncio.run(is_well(settings.redis_url)) else 1
    from app.process.event_loop import run
    from app.process.worker import work

    run(work(settings))
    return 0


def _migrate(_options: argparse.Namespace) -> None:
    url = database_url(environment())
    from app.store.migrations import migrate

    done = asyncio.run(migrate(url, progress=print))
    if not done:
        print("nothing to migrate")


def _distribute(_options: argparse.Namespace) -> None:
    url = database_url(environment())
    from app.store.migrations import distribute

    done = asyncio.run(distribute(url, progress=print))
    if not done:
        print("everything is distributed")


def _schema(options: argparse.Namespace) -> int:
    from app.api.graph.schema import build_schema

    printed = build_schema().as_str() + "\n"
    if options.check is None:
        sys.stdout.write(printed)
        return 0
    if options.check.is_file() and options.check.read_text(encoding="utf-8") == printed:
        return 0
    print(
        f"slotwright: {options.check} does not match the code: run “make schema”.",
        file=sys.stderr,
    )
    return 1


def _seed(_options: argparse.Namespace) -> None:
    settings = Settings.of_this_process()
    from app.development.seed import seed
    from app.process.wiring import open_resources

    async def load() -> None:
        async with open_resources(settings) as resources:
            await seed(resources)

    asyncio.run(load())


def _token(options: argparse.Namespace) -> int:
    if options.role is None:
        options.misused("the following arguments are required: --role")
    from app.core.viewer import Role
    from app.development.access_tokens import signed_token
    from app.development.seed import DEMO
    from app.identity.access import TokenRules

    role = Role[options.role.upper()]
    subject = (
        options.id
        or {
            Role.ADMIN: DEMO.admin_subject,
            Role.RECEPTION: DEMO.reception_subject,
            Role.PROVIDER: DEMO.provider_subject,
            Role.CUSTOMER: DEMO.customer_subject,
        }[role]
    )
    organization = options.organization or DEMO.organization
    secret = _signing_secret(options.data_dir)
    said = token_settings(environment())
    rules = TokenRules(audience=said.audience, issuer=said.issuer)
    print(signed_token(secret, role, subject, organization, options.ttl, rules))
    return 0


def _token_revoke(options: argparse.Namespace) -> int:
    organization, token_id, expires_at = _token_to_revoke(options)
    settings = Settings.of_this_process()
    from app.process.wiring import open_resources
    from app.usecases.callers.revoke_token import revoke_token

    async def revoke() -> int:
        async with open_resources(settings) as resources:
            refusal = await revoke_token(
                resources, organization=organization, token_id=token_id, expires_at=expires_at
            )
        if refusal is not None:
            print(f"slotwright: {refusal.message}", file=sys.stderr)
            return 1
        return 0

    return asyncio.run(revoke())


def _token_to_revoke(options: argparse.Namespace) -> tuple[str, str, datetime | None]:
    """Its organization, its id and when it expires, from the arguments or the token itself."""
    from app.development.access_tokens import name_of_token
    from app.process.clock import system_clock

    if options.token is not None:
        named = name_of_token(options.token)
        if named is None:
            raise OperatorError(
                "--token: this token has no id (jti), so it can't be revoked; it ends when it "
                "expires."
            )
        return named
    if options.jti is None or options.organization is None:
        options.misused("give --token, or --jti and --organization")
    expires_at = None if options.expires_in is None else system_clock() + options.expires_in
    return options.organization, options.jti, expires_at


def _signing_secret(data_dir: Path) -> str:
    """That of the environment; without one, that of `dev` on its data folder, where it has run."""
    env = environment()
    if not env.get("SLOTWRIGHT_TOKEN_SECRET") and (data_dir / "secrets.json").is_file():
        from app.development.dev import dev_secrets

        env = dev_secrets(data_dir)
    return token_secret(env)


def _organization_create(options: argparse.Namespace) -> int:
    settings = Settings.of_this_process()
    from app.core.refusals import InvalidInput
    from app.process.wiring import open_resources
    from app.usecases.practice.create_organization import create_organization

    async def create() -> int:
        async with open_resources(settings) as resources:
            made = await create_organization(resources, slug=options.slug, name=options.name)
        if isinstance(made, InvalidInput):
            print(f"slotwright: --{made.field}: {made.message}", file=sys.stderr)
            return 1
        print(made.id)
        return 0

    return asyncio.run(create())


def command_line() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m app", description="Slotwright, a headless appointment scheduling server."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(
        name: str, run: Callable[[argparse.Namespace], int | None], text: str
    ) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=text, description=text)
        command.set_defaults(run=run)
        return command

    command = add(
        "dev",
        _dev,
        "Everything on this machine: PostgreSQL, Redis, demo data, the API and the worker.",
    )
    _add_listening(command, host="127.0.0.1")
    _add_data_dir(command, "where data and secrets are kept between runs")
    command.add_argument("--no-seed", action="store_true", help="load no demo data")
    command.add_argument(
        "--test-clock",
        type=_instant,
        metavar="INSTANT",
        help=(
            "start the whole server's clock at this instant (2030-03-30T12:00:00Z); it runs on "
            "from there"
        ),
    )

    command = add(
        "serve", _serve, "The API. Reads DATABASE_URL, REDIS_URL and the SLOTWRIGHT_… settings."
    )
    _add_listening(command, host="127.0.0.1")

    command = add("work", _work, "The worker: scheduled jobs. Reads the same settings as serve.")
    command.add_argument(
        "--check",
        action="store_true",
        help="only check this host's worker: exit with 0 if it is healthy, else with 1",
    )

    add("migrate", _migrate, "Migrates the database of DATABASE_URL to this program's schema.")

    add(
        "distribute",
        _distribute,
        "Distributes the migrated Citus database of DATABASE_URL over its nodes.",
    )

    command = add("schema", _schema, "Prints the GraphQL schema.")
    command.add_argument(
        "--check", type=Path, metavar="FILE", help="print nothing; exit with 1 if this file differs"
    )

    add("seed", _seed, "Loads the demo data; existing rows are kept.")

    command = add("token", _token, "Prints a signed access token, or revokes one.")
    command.set_defaults(misused=command.error)
    command.add_argument(
        "--role",
        choices=("admin", "reception", "provider", "customer"),
        help="required, except for revoke",
    )
    command.add_argument(
        "--id",
        metavar="SUBJECT",
        help="whose: the subject of a provider or customer (default: the demo's)",
    )
    command.add_argument("--organization", metavar="SLUG", help="default: the demo's")
    command.add_argument(
        "--ttl",
        type=_ttl,
        default=timedelta(hours=12),
        metavar="TIME",
        help="90s, 30m, 12h, 7d (default: 12h)",
    )
    _add_data_dir(
        command, "where “dev” keeps its secrets, used where SLOTWRIGHT_TOKEN_SECRET is not set"
    )

    command = command.add_subparsers(metavar="VERB").add_parser(
        "revoke",
        help="Ends a token before it expires.",
        description="Ends a token before it expires: within seconds, every process refuses it.",
    )
    command.set_defaults(run=_token_revoke, misused=command.error)
    command.add_argument("--token", help="the token itself")
    command.add_argument("--jti", metavar="ID", help="or the id that it carries,")
    command.add_argument("--organization", metavar="SLUG", help="with its organization")
    command.add_argument(
        "--expires-in",
        type=_ttl,
        metavar="TIME",
        help=(
            "with --jti: when the token expires and its revocation may be deleted (default: never)"
        ),
    )

    organization = commands.add_parser(
        "organization", help="Organizations.", description="Organizations."
    )
    verbs = organization.add_subparsers(required=True, metavar="VERB")
    command = verbs.add_parser(
        "create",
        help="Makes one and prints its id.",
        description="Makes an organization and prints its id.",
    )
    command.set_defaults(run=_organization_create)
    command.add_argument(
        "--slug",
        required=True,
        help="its public name in headers and tokens: small letters, digits, “-”",
    )
    command.add_argument("--name", required=True, help="as people read it")
    return parser


def _add_listening(command: argparse.ArgumentParser, *, host: str) -> None:
    command.add_argument("--host", default=host, help="address to listen on (default: %(default)s)")
    command.add_argument("--port", type=_port, default=8000, help="default: %(default)s")
    command.add_argument(
        "--workers", type=_workers, default=1, help="processes of the API (default: %(default)s)"
    )


def _instant(text: str) -> datetime:
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        instant = None
    if instant is None or instant.tzinfo is None:
        raise argparse.ArgumentTypeError(
            f"“{text}” is not an instant with an offset, such as 2030-03-30T12:00:00Z"
        )
    return instant.astimezone(UTC)


def _add_data_dir(command: argparse.ArgumentParser, text: str) -> None:
    command.add_argument(
        "--data-dir",
        type=Path,
        default=DATA_DIR,
        metavar="FOLDER",
        help=f"{text} (default: %(default)s)",
    )


def _port(text: str) -> int:
    return _between(text, least=1, most=65_535)


def _workers(text: str) -> int:
    return _between(text, least=1, most=64)


def _between(text: str, *, least: int, most: int) -> int:
    if not text.isascii() or not text.isdigit() or not least <= int(text) <= most:
        raise argparse.ArgumentTypeError(f"“{text}” is not a whole number from {least} to {most}")
    return int(text)


def _ttl(text: str) -> timedelta:
    match = _TTL.fullmatch(text)
    if match is None:
        raise argparse.ArgumentTypeError(f"“{text}” is not a time like 90s, 30m, 12h or 7d")
    return timedelta(**{_TTL_UNITS[match[2]]: int(match[1])})


if __name__ == "__main__":
    sys.exit(main())
