/** A module of a program whose default export is a module of Node, and that has something besides. */

import path from 'node:path';

export default path;
export const separator = `<${path.sep}>`;
