/** Which version of the wire the agent and the server speak, so that one that is too old says so. */

/** Grows with each change that an agent or a server of the version before would misunderstand. */
export const WIRE_VERSION = 1;

/** The oldest version of an agent that the server still understands. */
export const OLDEST_WIRE_VERSION = 1;

/** Names the sender's version in each request of the agent; a client of the API alone need not send it. */
export const WIRE_VERSION_HEADER = "x-wire-version";
