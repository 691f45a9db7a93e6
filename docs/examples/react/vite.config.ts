import { defineConfig } from "vite";

// Relative addresses: the built page works under any path.
export default defineConfig({ base: "./" });
