import type { CodegenConfig } from "@graphql-codegen/cli";

const config: CodegenConfig = {
  schema: "../../../schema.graphql",
  documents: ["src/**/*.ts", "src/**/*.tsx"],
  generates: {
    "./src/gql/": {
      preset: "client",
      presetConfig: { fragmentMasking: false },
      config: {
        useTypeImports: true,
        scalars: { DateTime: "string", Date: "string", LocalTime: "string", TimeZone: "string" },
      },
    },
    // Which types implement UserError: Apollo's cache needs to know.
    "./src/gql/possible-types.ts": { plugins: ["fragment-matcher"] },
  },
};

export default config;
