"""What the resolvers of one operation share: context, info and loaders."""
