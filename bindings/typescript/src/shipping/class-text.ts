/** Names that are put into the text of classes. */

/** The method that gives a class its private static values; it is removed when it has done so. */
export const PRIVATE_STATICS = 'eagleray$assignPrivateStatics';
