import { putPackageInto } from '../integrations/install.ts';

/** The package that was built stands beside those that it is tried with. */
export function setup(): void {
  putPackageInto(import.meta.dirname);
}
