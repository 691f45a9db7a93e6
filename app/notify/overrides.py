"""An organization's own templates: text with values and conditions, and nothing that loops, calls
or computes.

A template that an organization wrote may spoil its own message, and nothing else. The sandbox keeps
it from Python's insides, and its environment knows no globals. The closed list of syntax below
keeps it from time and memory: without loops, macros, arithmetic and assignment every part of a
template runs at most once. Its size and depth are bounded before it is compiled, since compiling
takes time that grows with the cube of the depth; and one at a time is compiled in a thread, so that
the event loop goes on meanwhile. A broken template is reported, and the built-in words are used.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from sys import getsizeof
from typing import Final

from jinja2 import StrictUndefined, Template, TemplateError, TemplateSyntaxError, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

from app.core.sentences import Sentence, say
from app.notify import plain
from app.notify.message import OverrideProblem, TemplateOverride
from app.weighted_cache import remembered

WORDS: Final = frozenset({
    "address", "cancelled", "contact", "contact_email", "contact_phone", "date", "date_brief",
    "directions", "end_time", "fee", "free_until", "group", "handed_over", "hours", "keeps_start",
    "kind", "language", "location", "manage_link", "may_cancel", "may_move", "no_show_fee",
    "notes", "organization", "policy", "practice", "practice_email", "practice_link",
    "practice_phone", "previous", "price", "provider", "reason", "remaining", "resized", "seats",
    "seats_only", "service", "session", "time", "to_provider", "unsubscribe_link", "when",
    "when_brief", "zone",
})  # fmt: skip
"""What a template may name. All are text, or None where there is nothing to say; `cancelled`,
`handed_over`, `keeps_start`, `may_cancel`, `may_move`, `resized`, `seats_only`, `session` and
`to_provider` are true or false.
"""

MAX_NODES: Final = 1_000
"""Of a template's syntax tree: every value, filter, condition and stretch of text is one. A
generous newsletter has two hundred; a thousand compile in a tenth of a second.
"""

MAX_DEPTH: Final = 16
"""Of a template's syntax tree: nested conditions, and filters of filters. Five filters in a row
inside of three conditions are eleven deep.
"""

COMPILE_SECONDS: Final = 20.0
"""How long one part may take until it is ready: far more than its bounds need, also on a busy
machine.
"""

MAX_RENDERED_CHARACTERS: Final = 256 * 1024
"""Of one part of a message, made of at most 64 kB of text and of values of up to 2 kB each."""

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
_OPENINGS: Final = ("{{", "{%")
_TESTS: Final = frozenset({"defined", "none", "undefined"})
_TEMPLATE_BYTES: Final = 12_000
_SOURCE_FACTOR: Final = 30
"""How many bytes a compiled template takes, and how many more for each of its source."""

_COMPILER: Final = ThreadPoolExecutor(1, thread_name_prefix="templates")
"""One thread, started at the first use: each more would take the event loop's turns from it."""

_PARTS: Final = ("subject", "text", "html", "sms")
_HTML: Final = frozenset({"html"})

Words = Mapping[str, str | bool | None]


@dataclass(frozen=True, slots=True)
class OwnWords:
    """An organization's own words, ready to be rendered: each part that it has, or what is wrong
    with it.
    """

    parts: Mapping[str, Template | OverrideProblem]

    @property
    def problem(self) -> OverrideProblem | None:
        """The first problem found without rendering: checked before the words are stored."""
        problems = (part for part in self.parts.values() if isinstance(part, OverrideProblem))
        return next(problems, None)


async def prepare(words: TemplateOverride, *, within_seconds: float = COMPILE_SECONDS) -> OwnWords:
    """Check and compile the words, each part within its time, without blocking the event loop."""
    ready: dict[str, Template | OverrideProblem] = {}
    for part, source in _sources(words).items():
        try:
            ready[part] = await asyncio.wait_for(
                asyncio.get_running_loop().run_in_executor(_COMPILER, _compiled, part, source),
                within_seconds,
            )
        except TimeoutError:
            detail = say("it takes too long to compile")
            ready[part] = OverrideProblem(part=part, line=None, detail=detail)
    return OwnWords(ready)


def _sources(words: TemplateOverride) -> dict[str, str]:
    return {part: source for part in _PARTS if (source := getattr(words, part)) is not None}


def apply(
    own: OwnWords, parts: Mapping[str, str], words: Words
) -> dict[str, str] | OverrideProblem:
    """`parts` with the organization's own in place of the built-in ones: all of them, or the first
    problem.
    """
    applied = dict(parts)
    for part in parts:
        template = own.parts.get(part)
        if template is None:
            continue
        if isinstance(template, OverrideProblem):
            return template
        said = _rendered(part, template, words)
        if isinstance(said, OverrideProblem):
            return said
        if problem := _unusable(part, said):
            return problem
        applied[part] = plain.one_line(said) if part == "subject" else said
    return applied


def _rendered(part: str, template: Template, words: Words) -> str | OverrideProblem:
    said, length = [], 0
    try:
        for piece in template.generate(words):
            said.append(piece)
            length += len(piece)
            if length > MAX_RENDERED_CHARACTERS:
                detail = say(
                    "it becomes longer than {count} characters", count=MAX_RENDERED_CHARACTERS
                )
                return OverrideProblem(part=part, line=None, detail=detail)
    except Exception as broken:  # noqa: BLE001 - whatever somebody's template does, the message still goes out
        return OverrideProblem(part=part, line=None, detail=_reason(broken))
    return "".join(said)


def _environment(*, autoescape: bool) -> ImmutableSandboxedEnvironment:
    environment = ImmutableSandboxedEnvironment(
        autoescape=autoescape,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: "" if value is None else value,
    )
    environment.globals.clear()
    return environment


@remembered(
    "templates",
    most_bytes=32 * 1024 * 1024,
    weigh=lambda arguments, _template: _TEMPLATE_BYTES + _SOURCE_FACTOR * getsizeof(arguments[1]),
)
def _compiled(part: str, source: str) -> Template | OverrideProblem:
    environment = _environment(autoescape=part in _HTML)
    try:
        if detail := _too_long(source):
            return OverrideProblem(part=part, line=None, detail=detail)
        tree = environment.parse(source)
        if detail := _too_large(tree):
            return OverrideProblem(part=part, line=None, detail=detail)
        if problem := _forbidden(part, tree):
            return problem
        return environment.from_string(tree)
    except TemplateSyntaxError as broken:
        return OverrideProblem(part=part, line=broken.lineno, detail=_reason(broken))
    except (
        TemplateError,
        SyntaxError,
        RecursionError,
        MemoryError,
    ) as broken:  # nested too deeply for the parser or Python's own
        return OverrideProblem(part=part, line=None, detail=_reason(broken))


def _too_long(source: str) -> Sentence | None:
    """What shows before the template is parsed, which takes a third of a second at its worst."""
    if len(source) > MAX_SOURCE_CHARACTERS:
        return say("it is longer than {count} characters", count=MAX_SOURCE_CHARACTERS)
    if sum(source.count(opening) for opening in _OPENINGS) > MAX_NODES:
        return say("it has more than {count} values and conditions", count=MAX_NODES)
    return None


def _too_large(tree: nodes.Template) -> Sentence | None:
    """Level by level, so that no depth is too much for the walk itself."""
    level: list[nodes.Node] = [tree]
    count = depth = 0
    while level:
        count, depth = count + len(level), depth + 1
        if depth > MAX_DEPTH:
            return say("conditions and filters are nested more than {count} deep", count=MAX_DEPTH)
        if count > MAX_NODES:
            return say("it has more than {count} values and conditions", count=MAX_NODES)
        level = [child for node in level for child in node.iter_child_nodes()]
    return None


def _forbidden(part: str, tree: nodes.Template) -> OverrideProblem | None:
    for node in tree.find_all(nodes.Node):
        if not isinstance(node, _SYNTAX) or (isinstance(node, nodes.Name) and node.ctx != "load"):
            detail = say(
                "{syntax} is not allowed: only text, values, conditions and some filters",
                syntax=type(node).__name__,
            )
        elif isinstance(node, nodes.Filter) and node.name not in _FILTERS:
            detail = say(
                "the filter '{name}' is not one of {known}",
                name=node.name,
                known=", ".join(sorted(_FILTERS)),
            )
        elif isinstance(node, nodes.Test) and node.name not in _TESTS:
            detail = say(
                "the test '{name}' is not one of {known}",
                name=node.name,
                known=", ".join(sorted(_TESTS)),
            )
        else:
            continue
        return OverrideProblem(part=part, line=node.lineno, detail=detail)
    # nothing that is allowed declares a name
    if unknown := {name.name for name in tree.find_all(nodes.Name)} - WORDS:
        return OverrideProblem(
            part=part, line=None, detail=say("unknown: {names}", names=", ".join(sorted(unknown)))
        )
    return None


def _unusable(part: str, said: str) -> OverrideProblem | None:
    if not said.strip():
        return OverrideProblem(part=part, line=None, detail=say("it says nothing"))
    if part == "sms" and len(said) > MAX_SMS_CHARACTERS:
        return OverrideProblem(
            part=part,
            line=None,
            detail=say("it is longer than {count} characters", count=MAX_SMS_CHARACTERS),
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
