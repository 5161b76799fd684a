// Owns an immutable map of strings to values in which old versions stay valid and a change copies only the path to it.
// A hash array mapped trie: each level takes five bits of the key's hash, a node holds only the children that exist.
// Invariant: a node is never changed once another map can see it; two maps with the same entries need not have equal nodes.
interface Leaf<V> {
  readonly kind: 'leaf'
  readonly hash: number
  readonly key: string
  readonly value: V
}

/** Keys whose whole hashes are equal. */
interface Collision<V> {
  readonly kind: 'collision'
  readonly hash: number
  readonly leaves: readonly Leaf<V>[]
}

interface Branch<V> {
  readonly kind: 'branch'
  /** Bit n is set when there is a child for the five hash bits n; children are in the order of n. */
  readonly bitmap: number
  readonly children: readonly Node<V>[]
}

type Node<V> = Leaf<V> | Collision<V> | Branch<V>

const BITS = 5
const MASK = 31

export class PersistentMap<V> {
  static readonly empty: PersistentMap<never> = new PersistentMap<never>(null, 0)

  readonly #root: Node<V> | null
  readonly size: number

  private constructor(root: Node<V> | null, size: number) {
    this.#root = root
    this.size = size
  }

  get(key: string): V | undefined {
    const hash = hashOf(key)
    let node = this.#root
    for (let shift = 0; node !== null; shift += BITS) {
      if (node.kind === 'leaf') return node.key === key ? node.value : undefined
      if (node.kind === 'collision') return node.leaves.find(leaf => leaf.key === key)?.value
      const bit = 1 << ((hash >>> shift) & MASK)
      node = (node.bitmap & bit) === 0 ? null : (node.children[childIndex(node.bitmap, bit)] as Node<V>)
    }
    return undefined
  }

  has(key: string): boolean {
    return this.get(key) !== undefined
  }

  /** Values may be anything but undefined. */
  set(key: string, value: V): PersistentMap<V> {
    const leaf: Leaf<V> = { kind: 'leaf', hash: hashOf(key), key, value }
    const size = this.has(key) ? this.size : this.size + 1
    return new PersistentMap(this.#root === null ? leaf : insert(this.#root, leaf, 0), size)
  }

  delete(key: string): PersistentMap<V> {
    if (!this.has(key)) return this
    return new PersistentMap(remove(this.#root as Node<V>, hashOf(key), key, 0), this.size - 1)
  }

  /** In no particular order, the same each time. */
  *entries(): Generator<readonly [string, V]> {
    const stack: Node<V>[] = this.#root === null ? [] : [this.#root]
    for (let node = stack.pop(); node !== undefined; node = stack.pop()) {
      if (node.kind === 'leaf') yield [node.key, node.value]
      else stack.push(...(node.kind === 'branch' ? node.children : node.leaves))
    }
  }

  *values(): Generator<V> {
    for (const [, value] of this.entries()) yield value
  }
}

function insert<V>(node: Node<V>, leaf: Leaf<V>, shift: number): Node<V> {
  if (node.kind === 'branch') {
    const bit = 1 << ((leaf.hash >>> shift) & MASK)
    const index = childIndex(node.bitmap, bit)
    const there = (node.bitmap & bit) !== 0
    const child = there ? insert(node.children[index] as Node<V>, leaf, shift + BITS) : leaf
    return { kind: 'branch', bitmap: node.bitmap | bit, children: node.children.toSpliced(index, there ? 1 : 0, child) }
  }
  if (node.hash !== leaf.hash) return split(node, leaf, shift)
  if (node.kind === 'leaf') {
    return node.key === leaf.key ? leaf : { kind: 'collision', hash: leaf.hash, leaves: [node, leaf] }
  }
  return { ...node, leaves: [...node.leaves.filter(other => other.key !== leaf.key), leaf] }
}

/** Two nodes of different hashes below one branch, which is as deep as their hashes agree. */
function split<V>(one: Leaf<V> | Collision<V>, other: Leaf<V>, shift: number): Branch<V> {
  const oneBits = (one.hash >>> shift) & MASK
  const otherBits = (other.hash >>> shift) & MASK
  if (oneBits === otherBits)
    return { kind: 'branch', bitmap: 1 << oneBits, children: [split(one, other, shift + BITS)] }
  const children = oneBits < otherBits ? [one, other] : [other, one]
  return { kind: 'branch', bitmap: (1 << oneBits) | (1 << otherBits), children }
}

/** The key is there. Null when nothing is left of the node. */
function remove<V>(node: Node<V>, hash: number, key: string, shift: number): Node<V> | null {
  if (node.kind === 'leaf') return null
  if (node.kind === 'collision') {
    const leaves = node.leaves.filter(leaf => leaf.key !== key)
    return leaves.length === 1 ? (leaves[0] as Leaf<V>) : { ...node, leaves }
  }
  const bit = 1 << ((hash >>> shift) & MASK)
  const index = childIndex(node.bitmap, bit)
  const child = remove(node.children[index] as Node<V>, hash, key, shift + BITS)
  if (child !== null) {
    // A branch with one child that is no branch says nothing: the child stands in for it.
    if (node.children.length === 1 && child.kind !== 'branch') return child
    return { ...node, children: node.children.with(index, child) }
  }
  if (node.children.length === 1) return null
  const children = node.children.toSpliced(index, 1)
  const only = children[0] as Node<V>
  return children.length === 1 && only.kind !== 'branch'
    ? only
    : { kind: 'branch', bitmap: node.bitmap & ~bit, children }
}

/** How many children come before the one of `bit`. */
function childIndex(bitmap: number, bit: number): number {
  let bits = bitmap & (bit - 1)
  bits -= (bits >>> 1) & 0x55555555
  bits = (bits & 0x33333333) + ((bits >>> 2) & 0x33333333)
  return (((bits + (bits >>> 4)) & 0x0f0f0f0f) * 0x01010101) >>> 24
}

/** FNV-1a over UTF-16 units, with the high bits mixed down. */
function hashOf(key: string): number {
  let hash = 0x811c9dc5
  for (let index = 0; index < key.length; index++) hash = Math.imul(hash ^ key.charCodeAt(index), 0x01000193)
  return (hash ^ (hash >>> 15)) >>> 0
}
