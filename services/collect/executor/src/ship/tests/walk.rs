//! Any number of steps that print anything, and somebody who is killed at any point and begins again.

use super::*;

/// Numbers that are the same for each seed.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }

    /// Letters, longer characters, and what is none.
    fn print(&mut self) -> Vec<u8> {
        let pieces: [&[u8]; 6] = [b"a", "ä".as_bytes(), "€".as_bytes(), "😀".as_bytes(), b"\xff", b"\xe2\x82"];
        // now and then more than a chunk
        let length = if self.below(4) == 0 { 10_000 + self.below(8_000) } else { self.below(9) };
        (0..length).flat_map(|_| pieces[self.below(6) as usize].to_vec()).collect()
    }
}

/// Takes what there is, forgets some of it as whoever is killed does, and ships the rest.
fn walk(numbers: &mut Numbers, folder: &Path, found: &mut Vec<Chunk>) {
    while let Unshipped::Chunk(chunk) = next(folder, HOOK_BYTES_MAX).unwrap() {
        assert!(chunk.bytes.len() <= CHUNK_BYTES_MAX && found.last().is_none_or(|last| !last.is_last || *last == chunk));
        match found.last() {
            // it may have been sent when its sender was killed
            Some(last) if last.offset == chunk.offset => assert_eq!(*last, chunk),
            _ => found.push(chunk.clone()),
        }
        match numbers.below(4) {
            0 => return,
            1 => {}
            _ => shipped(folder, &chunk).unwrap(),
        }
    }
}

#[test]
fn all_is_shipped_once_whoever_is_killed() {
    for seed in 1..=100 {
        let (host, mut numbers, mut found) = (Host::new(), Numbers(seed * 0x9e37_79b9), Vec::new());
        let folder = host.begin(1, release());
        let mut expected = Vec::new();
        for step in ["prepare", "stop", "start", "test", "finish", "back-stop", "back-start"] {
            if numbers.below(3) == 0 {
                continue;
            }
            let mut printed = Vec::new();
            for _ in 0..numbers.below(4) {
                let bytes = numbers.print();
                print(&folder, step, &bytes);
                printed.extend(bytes);
                walk(&mut numbers, &folder, &mut found);
            }
            printed.truncate(HOOK_BYTES_MAX as usize);
            keep(&folder, step, "");
            if !printed.is_empty() {
                expected.push((step, printed));
            }
            if numbers.below(2) == 0 {
                walk(&mut numbers, &folder, &mut found);
            }
        }
        end(&folder, 1);
        while !is_done(&folder).unwrap() {
            walk(&mut numbers, &folder, &mut found);
        }
        let mut offset = 0;
        for (step, bytes) in &expected {
            let of_step: Vec<&Chunk> = found.iter().filter(|chunk| chunk.step == *step && !chunk.bytes.is_empty()).collect();
            for chunk in &of_step {
                assert_eq!(chunk.offset, offset, "seed {seed}");
                offset += chunk.bytes.len() as u64;
            }
            let shipped: Vec<u8> = of_step.iter().flat_map(|chunk| chunk.bytes.clone()).collect();
            assert!(shipped == *bytes, "seed {seed}, {step}");
            let text: String = of_step.iter().map(|chunk| chunk.text()).collect();
            assert!(text == String::from_utf8_lossy(bytes), "seed {seed}, {step}");
        }
        let steps: Vec<&str> = expected.iter().map(|(step, _)| *step).collect();
        let mut told: Vec<&str> = found.iter().map(|chunk| chunk.step).collect();
        told.dedup();
        assert_eq!(told, if steps.is_empty() { vec!["fetch"] } else { steps }, "seed {seed}");
        let lasts: Vec<usize> = found.iter().enumerate().filter(|(_, chunk)| chunk.is_last).map(|(at, _)| at).collect();
        assert_eq!(lasts, [found.len() - 1], "seed {seed}");
    }
}
