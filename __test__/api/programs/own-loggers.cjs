/** As own-loggers.mjs, in CommonJS. */
const { perProcess } = require('eagleray');

exports.named = perProcess(() => ({ uses: 0 }));
const hidden = perProcess(() => ({ uses: 0 }));
exports.tools = { useHidden: () => ++hidden().uses };
exports.useHidden = function useHidden() {
  return ++hidden().uses;
};
