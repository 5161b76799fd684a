//! Owns small random values from one seed, so that a failing message is named by a number.

/// SplitMix64.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Random {
        Random(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// 0 to `bound` - 1.
    pub fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    pub fn chance(&mut self, one_in: usize) -> bool {
        self.below(one_in) == 0
    }

    /// Mostly small, sometimes an extreme.
    pub fn i64(&mut self) -> i64 {
        match self.below(6) {
            0 => -1,
            1 => i64::MAX,
            2 => i64::MIN,
            3 => self.next() as i64,
            _ => self.below(100_000) as i64,
        }
    }

    pub fn i32(&mut self) -> i32 {
        match self.below(6) {
            0 => -1,
            1 => i32::MAX,
            2 => i32::MIN,
            3 => self.next() as i32,
            _ => self.below(1_000) as i32,
        }
    }

    pub fn i16(&mut self) -> i16 {
        self.i32() as i16
    }

    pub fn i8(&mut self) -> i8 {
        self.next() as i8
    }

    pub fn uuid(&mut self) -> [u8; 16] {
        let (high, low) = (self.next().to_be_bytes(), self.next().to_be_bytes());
        std::array::from_fn(|index| {
            if index < 8 {
                high[index]
            } else {
                low[index - 8]
            }
        })
    }

    /// Long ones pass 127 bytes, where compact lengths take a second byte.
    pub fn string(&mut self) -> String {
        let len = if self.chance(4) {
            100 + self.below(100)
        } else {
            self.below(12)
        };
        (0..len)
            .map(|_| ['a', 'b', '-', '.', 'é', '漢'][self.below(6)])
            .collect()
    }

    pub fn bytes(&mut self) -> Vec<u8> {
        let len = if self.chance(4) {
            100 + self.below(400)
        } else {
            self.below(20)
        };
        (0..len).map(|_| self.next() as u8).collect()
    }

    pub fn some<T>(&mut self, value: impl FnOnce(&mut Random) -> T) -> Option<T> {
        if self.chance(3) {
            None
        } else {
            Some(value(self))
        }
    }

    pub fn list<T>(&mut self, max: usize, mut value: impl FnMut(&mut Random) -> T) -> Vec<T> {
        (0..self.below(max + 1)).map(|_| value(self)).collect()
    }
}
