/** A fault that its message says all about: shown without a stack. */
export class LaunchFault extends Error {}
