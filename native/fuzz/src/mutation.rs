//! Owns changing bytes at random, from a seed: the short runs on a stable toolchain, where no coverage guides the search.

/// A stream of changed inputs.
pub struct Mutation {
    state: u64,
}

/// Values that sit at the edges of lengths, counts and varints.
const EDGES: [&[u8]; 12] = [
    &[0x00],
    &[0x7f],
    &[0x80],
    &[0xff],
    &[0xff, 0xff],
    &[0x7f, 0xff],
    &[0xff, 0xff, 0xff, 0xff],
    &[0x7f, 0xff, 0xff, 0xff],
    &[0x80, 0x00, 0x00, 0x00],
    &[0xff, 0xff, 0xff, 0xff, 0x0f],
    &[0x80, 0x80, 0x80, 0x80, 0x80, 0x80],
    &[0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
];

/// Changes made to one input, at most.
const CHANGES_MAX: usize = 4;

impl Mutation {
    pub fn new(seed: u64) -> Mutation {
        Mutation { state: seed }
    }

    /// SplitMix64.
    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }

    /// One of `seeds`, changed.
    pub fn input(&mut self, seeds: &[Vec<u8>]) -> Vec<u8> {
        let mut input = seeds[self.below(seeds.len())].clone();
        for _ in 0..=self.below(CHANGES_MAX) {
            let other = self.below(seeds.len());
            self.change(&mut input, &seeds[other]);
        }
        input
    }

    fn change(&mut self, input: &mut Vec<u8>, other: &[u8]) {
        let at = self.below(input.len() + 1);
        match self.below(7) {
            0 => input.truncate(at),
            1 => input.insert(at, self.next() as u8),
            2 => {
                let end = (at + self.below(8)).min(input.len());
                input.drain(at..end);
            }
            3 => {
                let edge = EDGES[self.below(EDGES.len())];
                let end = (at + edge.len()).min(input.len());
                input.splice(at..end, edge.iter().copied());
            }
            4 => {
                let from = self.below(other.len() + 1);
                let end = (from + self.below(32)).min(other.len());
                input.splice(at..at, other[from..end].iter().copied());
            }
            // Twice as often: these keep the shape, so they reach deepest.
            _ => {
                let flip = 1 << self.below(8);
                if let Some(byte) = input.get_mut(at) {
                    *byte ^= flip;
                }
            }
        }
    }
}

/// Feeds every seed and then `count` changed inputs to `target`. The same `seed` makes the same inputs.
pub fn run(seed: u64, count: u32, seeds: &[Vec<u8>], target: fn(&[u8])) {
    for seed_input in seeds {
        target(seed_input);
    }
    let mut mutation = Mutation::new(seed);
    for _ in 0..count {
        target(&mutation.input(seeds));
    }
}
