"""An organization's own templates: text with values and conditions, and nothing that loops, calls
or computes.

The rule of the room: a template that an organization wrote may spoil its own message, and nothing
else. The sandbox keeps it from Python's insides; the closed list of syntax below keeps it from time
and memory, since without loops, macros, arithmetic and assignment every part of a template runs at
most once. What breaks is reported, and the built-in is used.
"""

from __future__ import annotations

from collections.abc import Mapping
from sys import getsizeof
from typing import Final

from jinja2 import StrictUndefined, Template, TemplateError, TemplateSyntaxError, meta, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

from app.notify import plain
from app.notify.message import OverrideProblem, TemplateOverride
from app.weighted_cache import remembered

WORDS: Final = frozenset({
    "cancelled", "contact", "contact_email", "contact_phone", "date", "date_brief", "end_time",
    "fee", "free_until", "hours", "kind", "language", "manage_link", "notes", "organization",
    "previous", "price", "provider", "reason", "remaining", "service", "time", "to_provider",
    "unsubscribe_link", "when", "when_brief", "zone",
})  # fmt: skip
"""What a template may name. All are text, or None where there is nothing to say; `cancelled` and
`to_provider` are true or false.
"""

# a generous newsletter's HTML; Gmail clips a mail at 102 kB
MAX_SOURCE_CHARACTERS: Final = 64 * 1024
MAX_SMS_CHARACTERS: Final = 1600  # Twilio's limit for one message; others allow less

_SYNTAX: Final = (
    nodes.Template, nodes.Output, nodes.TemplateData, nodes.Name, nodes.Const, nodes.If,
    nodes.CondExpr, nodes.Not,
    nodes.And, nodes.Or, nodes.Compare, nodes.Operand, nodes.Concat, nodes.Filter, nodes.Test,
)  # fmt: skip
_FILTERS: Final = frozenset(
    {
        "capitalize",
        "d",
        "default",
        "e",
        "escape",
        "lower",
        "title",
        "trim",
        "truncate",
        "upper",
        "urlencode",
    }
)
_TESTS: Final = frozenset({"defined", "none", "undefined"})
_TEMPLATE_BYTES: Final = 12_000
_SOURCE_FACTOR: Final = 30
"""How many bytes a compiled template takes, and how many more for each of its source."""

_PARTS: Final = ("subject", "text", "html", "sms")
_HTML: Final = frozenset({"html"})

Words = Mapping[str, str | bool | None]


def _environment(*, autoescape: bool) -> ImmutableSandboxedEnvironment:
    return ImmutableSandboxedEnvironment(
        autoescape=autoescape,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: "" if value is None else value,
    )


def check(override: TemplateOverride) -> OverrideProblem | None:
    """The first problem of a template that shows without rendering it: for whoever stores one."""
    for part in _PARTS:
        source = getattr(override, part)
        if source is not None and isinstance(problem := _compiled(part, source), OverrideProblem):
            return problem
    return None


def apply(
    override: TemplateOverride, parts: Mapping[str, str], words: Words
) -> dict[str, str] | OverrideProblem:
    """`parts` with the override's own in place of the built-in ones: all of them, or the first
    problem.
    """
    applied = dict(parts)
    for part in parts:
        source = getattr(override, part)
        if source is None:
            continue
        template = _compiled(part, source)
        if isinstance(template, OverrideProblem):
            return template
        try:
            said = template.render(words)
        except Exception as broken:  # noqa: BLE001 - whatever somebody's template does, the message still goes out
            return OverrideProblem(part=part, line=None, detail=_reason(broken))
        if problem := _unusable(part, said):
            return problem
        applied[part] = plain.one_line(said) if part == "subject" else said
    return applied


@remembered(
    "templates",
    most_bytes=32 * 1024 * 1024,
    weigh=lambda arguments, _template: _TEMPLATE_BYTES + _SOURCE_FACTOR * getsizeof(arguments[1]),
)
def _compiled(part: str, source: str) -> Template | OverrideProblem:
    if len(source) > MAX_SOURCE_CHARACTERS:
        return OverrideProblem(
            part=part, line=None, detail=f"longer than {MAX_SOURCE_CHARACTERS} characters"
        )
    environment = _environment(autoescape=part in _HTML)
    try:
        tree = environment.parse(source)
        if problem := _forbidden(part, tree):
            return problem
        return environment.from_string(source)
    except TemplateSyntaxError as broken:
        return OverrideProblem(part=part, line=broken.lineno, detail=_reason(broken))
    except (
        TemplateError,
        SyntaxError,
        RecursionError,
        MemoryError,
    ) as broken:  # nested too deeply for the parser or Python's own
        return OverrideProblem(part=part, line=None, detail=_reason(broken))


def _forbidden(part: str, tree: nodes.Template) -> OverrideProblem | None:
    for node in tree.find_all(nodes.Node):
        if not isinstance(node, _SYNTAX) or (isinstance(node, nodes.Name) and node.ctx != "load"):
            detail = (
                f"{type(node).__name__} is not allowed: only text, values, conditions and "
                "some filters"
            )
        elif isinstance(node, nodes.Filter) and node.name not in _FILTERS:
            detail = f"the filter {node.name!r} is not one of {', '.join(sorted(_FILTERS))}"
        elif isinstance(node, nodes.Test) and node.name not in _TESTS:
            detail = f"the test {node.name!r} is not one of {', '.join(sorted(_TESTS))}"
        else:
            continue
        return OverrideProblem(part=part, line=node.lineno, detail=detail)
    if unknown := meta.find_undeclared_variables(tree) - WORDS:
        return OverrideProblem(
            part=part, line=None, detail=f"unknown: {', '.join(sorted(unknown))}"
        )
    return None


def _unusable(part: str, said: str) -> OverrideProblem | None:
    if not said.strip():
        return OverrideProblem(part=part, line=None, detail="it says nothing")
    if part == "sms" and len(said) > MAX_SMS_CHARACTERS:
        return OverrideProblem(
            part=part, line=None, detail=f"longer than {MAX_SMS_CHARACTERS} characters"
        )
    return None


def _reason(broken: BaseException) -> str:
    """The sort of mistake, and its message only where that quotes the template and not the
    message's values.
    """
    name = type(broken).__name__
    return (
        f"{name}: {broken.message}"
        if isinstance(broken, TemplateError) and broken.message
        else name
    )
