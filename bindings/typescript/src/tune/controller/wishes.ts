/** What schedulers ask for about other trials than the one at hand: kept until they have returned. */

import type { TrialResources } from '../types.ts';
import type { Trial } from './trial.ts';

/** Something that a scheduler wants, as data. */
export type Wish =
  | { readonly kind: 'stop'; readonly trial: Trial }
  /** `trial` goes on from `source`'s checkpoint, with another config. */
  | {
      readonly kind: 'exploit';
      readonly trial: Trial;
      readonly source: Trial;
      readonly config: unknown;
    }
  | { readonly kind: 'resources'; readonly trial: Trial; readonly resources: TrialResources };
