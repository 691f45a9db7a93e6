"""How an operation is bounded and executed. Everything that relies on graphql-core's internals is
here, which is why pyproject.toml pins graphql-core and Strawberry to one version each.

The order of a request: parse, check the shape (`structure`), measure depth and cost (`cost`),
validate (with `rules` and `overlaps`), coerce the variables, execute (`executor`, `columns`,
`fastlists`), for resolvers without layers (`resolvers`). Limits are in `limits`; documents and
prepared queries are kept by `operations`.

What is relied on, besides what the libraries document:

- graphql.execution.executor: `Executor` may be copied by its `__dict__` (a contract test knows its
  attributes); `CollectedErrors`; `execute_collected_root_fields`, `execute_fields`,
  `complete_list_value`, `complete_value`, `complete_leaf_value`, `handle_field_error`,
  `collect_subfields`, `build_resolve_info`, `ensure_valid_runtime_type`, `track_async_work` and
  `gather_async_work` are called with the arguments that they are overridden with; a selection's
  subfields are remembered by the identity of its list of details.
- graphql.validation.rules.overlapping_fields_can_be_merged: `rule_context` has the budget that is
  left, and ValidationAbortedError means that it is used up.
- graphql.language.visitor: `ParallelVisitor.visitors`, and `enter_leave_map`, in which a visitor
  keeps its own methods; graphql.validation.validate: a rule is only called, with the context.
- strawberry: `schema._schema` is graphql-core's schema; `GraphQLCoreConverter.DEFINITION_BACKREF`
  leads from a field to its definition; `StrawberryGraphQLCoreExecutionContext` is its executor.

SLOTWRIGHT_PLAIN_EXECUTOR leaves all of it out but `executor`, whose answers are the libraries' own:
to find out which of the two makes a wrong answer. After an upgrade of either library, the contract
test and the tests that compare both executors show what changed.
"""
