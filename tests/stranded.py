"""Changes as dry runs and for real, and the stranded appointments, in the API's words."""

from __future__ import annotations

from typing import Any, Final

from tests.builders import Api, Caller, Json, made

STRANDED: Final = """
    query (
        $providerIds: [ID!], $first: Int, $after: String, $last: Int, $before: String
    ) {
        found: strandedAppointments(
            providerIds: $providerIds, first: $first, after: $after, last: $last, before: $before
        ) {
            totalCount nodes { id } pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
        }
    }
"""


async def try_change(
    api: Api, mutation: str, values: Json, *, caller: Caller | None = None
) -> Json:
    """The answer, of any type; administrators ask unless somebody else is named."""
    # Removing is never invalid.
    field = "" if mutation == "removeTimeOff" else "... on InvalidInputError { field }"
    document = f"""
        mutation ($input: {mutation[0].upper()}{mutation[1:]}Input!) {{
            answer: {mutation}(input: $input) {{
                __typename
                ... on UserError {{ code message }}
                {field}
                ... on Node {{ id }}
                ... on ChangePreview {{
                    openMinutesGained openMinutesLost strandedCount stranded {{ id startsAt }}
                }}
            }}
        }}
    """
    answer: Json = (await api.ask(document, caller=caller or api.admin, input=values))["answer"]
    return answer


async def preview(api: Api, mutation: str, **values: Any) -> Json:  # noqa: ANN401  fields of the input
    """What the change would do."""
    answer = await try_change(api, mutation, {**values, "dryRun": True})
    return made(answer, "ChangePreview")


async def change(api: Api, mutation: str, **values: Any) -> str:  # noqa: ANN401  as above
    """Make the change; the id of what was changed."""
    answer = await try_change(api, mutation, values)
    assert answer["__typename"] in {"Provider", "Service", "Resource", "TimeOff"}, answer
    changed: str = answer["id"]
    return changed


async def stranded(api: Api, *, caller: Caller | None = None, **asked: object) -> list[str]:
    """The ids on the page that is asked for, in its order."""
    data = await api.ask(STRANDED, caller=caller or api.admin, **asked)
    return [each["id"] for each in data["found"]["nodes"]]
