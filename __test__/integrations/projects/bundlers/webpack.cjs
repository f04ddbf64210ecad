/** Bundles the program; with an argument the package stays external. */

const { join } = require('node:path');
const webpack = require('webpack');

const externals = process.argv[2] === 'external' ? { eagleray: 'commonjs eagleray' } : {};
webpack(
  {
    entry: './program.mjs',
    mode: 'production',
    target: 'node',
    externals,
    output: { path: join(__dirname, 'out'), filename: 'bundle.cjs' },
  },
  (error, stats) => {
    if (error === null && !stats.hasErrors()) return;
    console.error(error ?? stats.toString());
    process.exitCode = 1;
  },
);
