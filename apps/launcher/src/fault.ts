/** A fault that its message explains completely; shown without a stack. */
export class LaunchFault extends Error {}
