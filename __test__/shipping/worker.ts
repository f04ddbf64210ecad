/** The program of a worker process. */

import { serveParent } from './transport.ts';

serveParent();
