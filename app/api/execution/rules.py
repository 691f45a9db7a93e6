"""All rules of validation as one visitor, which leaves no garbage.

graphql-core's visitors keep their own methods for each kind of node, so each is part of a cycle:
validating a document of a few fields would leave some 1,400 objects to the next collections, which
stop the process for everybody. Here the rules are dropped at the end of a validation, and the
cycles between them with it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from graphql import ParallelVisitor, Visitor

if TYPE_CHECKING:
    from collections.abc import Sequence

    from graphql import ASTValidationRule, Node, ValidationContext


class AllRules(Visitor):
    """Visits with every rule. For `validate`, call it with the context, as if it were a rule."""

    def __init__(self, rules: Sequence[type[ASTValidationRule]]) -> None:
        super().__init__()
        self._rules = rules
        self._visitor: Visitor = Visitor()

    def __call__(self, context: ValidationContext) -> AllRules:
        self._visitor = ParallelVisitor([rule(context) for rule in self._rules])
        return self

    def enter(self, node: Node, *args: Any) -> Any:  # noqa: ANN401  the library's
        visit = self._visitor.get_enter_leave_for_kind(node.kind).enter
        return visit(node, *args) if visit else None

    def leave(self, node: Node, *args: Any) -> Any:  # noqa: ANN401  the library's
        visit = self._visitor.get_enter_leave_for_kind(node.kind).leave
        return visit(node, *args) if visit else None

    def close(self) -> None:
        """Drops the rules, and their cycles."""
        visitor, self._visitor = self._visitor, Visitor()
        if isinstance(visitor, ParallelVisitor):
            for each in (visitor, *visitor.visitors):
                each.enter_leave_map.clear()
