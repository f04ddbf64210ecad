import workerpool from 'workerpool';
import run, { byteLength } from './functions.mjs';

workerpool.worker({ run, byteLength });
