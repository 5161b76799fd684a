// Owns the bounds of the wire's integers that schemas use as defaults.
export const INT32_MAX = 0x7fffffff
export const INT32_MIN = -0x80000000
export const INT64_MAX = 0x7fffffffffffffffn
