//! Samples that wait on disk until the API is back: bounded, oldest first out.
//!
//! A spool is a folder of segments, files that are only ever appended to. A process never appends to a segment that it found: what a killed one
//! left half-written stays at the end of its segment, where reading stops. What has been sent is known in memory alone, and a segment is
//! removed when all of it has been; after a kill up to one segment is sent again, which is harmless, since equal points are one.
//!
//! Frames are written in one call and not flushed to the disk: they survive a kill of the process, while a host that loses its power loses the
//! seconds that its kernel had not written yet.

mod frame;
mod segment;

use std::collections::VecDeque;
use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use self::segment::{Reader, Segment};
use crate::error::Error;
use crate::metrics;

pub(crate) use self::frame::Frame;

/// The oldest sixty-fourth goes when there is no room.
const SEGMENTS: u64 = 64;

/// One process has it at a time.
pub(crate) struct Spool {
    folder: PathBuf,
    bytes_max: u64,
    /// Oldest first.
    segments: VecDeque<Segment>,
    /// The last of them, when it was begun here.
    open: Option<File>,
    last_number: u64,
    /// How far the first of them has been read, and given back by `done`.
    read: Reader,
    /// Holds the lock.
    _lock: File,
}

/// Frames from the front, and where they end.
pub(crate) struct Chunk {
    pub(crate) frames: Vec<Frame>,
    until: Reader,
}

impl Spool {
    /// Makes the folder when it is missing, and goes on with what is there.
    ///
    /// # Errors
    /// The folder cannot be used, or belongs to another process.
    pub(crate) fn open(folder: &Path, bytes_max: u64) -> Result<Self, Error> {
        let failed = |source| Error::Spool { path: folder.to_owned(), source };
        std::fs::create_dir_all(folder).map_err(failed)?;
        let lock = File::options().create(true).truncate(false).write(true).open(folder.join("lock")).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(Error::SpoolTaken { path: folder.to_owned() }),
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        let (found, torn) = segment::found(folder).map_err(failed)?;
        if torn > 0 {
            tracing::warn!(path = %folder.display(), bytes = torn, "the end of what was spooled cannot be read and is left out");
            metrics::torn(torn);
        }
        let last_number = found.last().map_or(0, |segment| segment.number);
        let segments = VecDeque::from(found);
        let mut spool =
            Self { folder: folder.to_owned(), bytes_max, segments, open: None, last_number, read: Reader::default(), _lock: lock };
        spool.make_room(0);
        spool.count();
        Ok(spool)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.segments.is_empty()
    }

    /// Adds a frame at the end; makes room by dropping the oldest segment.
    ///
    /// # Errors
    /// It could not be written, and is not in the spool.
    pub(crate) fn append(&mut self, frame: &Frame) -> io::Result<()> {
        let bytes = frame.write()?;
        if bytes.len() as u64 > self.bytes_max {
            return Err(io::Error::other(format!("a batch of {} bytes is larger than the spool", bytes.len())));
        }
        self.make_room((segment::MAGIC.len() + bytes.len()) as u64);
        let appended = self.append_bytes(&bytes, frame.points);
        self.count();
        appended
    }

    fn append_bytes(&mut self, bytes: &[u8], points: u32) -> io::Result<()> {
        let is_full = self.segments.back().is_some_and(|last| last.bytes + bytes.len() as u64 > self.bytes_max / SEGMENTS);
        if self.open.is_none() || is_full {
            self.last_number += 1;
            let (segment, file) = Segment::create(&self.folder, self.last_number)?;
            self.segments.push_back(segment);
            self.open = Some(file);
        }
        let (Some(file), Some(segment)) = (&mut self.open, self.segments.back_mut()) else { return Ok(()) };
        let appended = segment.append(file, bytes, points);
        if appended.is_err() && file.set_len(segment.bytes).is_err() {
            // what is half-written there is passed over by whoever reads it, and nothing may follow it
            self.open = None;
        }
        appended
    }

    /// The oldest frames, up to `points_max` points, at least one frame; `None` when there are none. The same again until `done`.
    ///
    /// # Errors
    /// The disk does not give them.
    pub(crate) fn oldest(&mut self, points_max: u32) -> io::Result<Option<Chunk>> {
        while let Some(first) = self.segments.front() {
            let mut until = self.read;
            let frames = first.read(&mut until, points_max)?;
            if !frames.is_empty() {
                return Ok(Some(Chunk { frames, until }));
            }
            // its end is torn, or was written by nobody
            self.remove_first();
        }
        Ok(None)
    }

    /// These frames are no longer needed.
    pub(crate) fn done(&mut self, chunk: &Chunk) {
        self.read = chunk.until;
        if self.segments.front().is_some_and(|first| first.bytes <= self.read.bytes) {
            self.remove_first();
        }
        self.count();
    }

    /// The oldest frames cannot be read, whatever is tried: gives up their segment, and says how many points that were.
    pub(crate) fn give_up_first(&mut self) -> u64 {
        let lost = self.segments.front().map_or(0, |first| first.points.saturating_sub(self.read.points));
        self.remove_first();
        self.count();
        lost
    }

    fn make_room(&mut self, bytes: u64) {
        let mut dropped = 0;
        while !self.segments.is_empty() && self.bytes() + bytes > self.bytes_max {
            dropped += self.give_up_first();
        }
        if dropped > 0 {
            tracing::warn!(points = dropped, bytes_max = self.bytes_max, "the spool is full: its oldest samples are dropped");
            metrics::dropped(metrics::CAUSE_SPOOL_FULL, dropped);
        }
    }

    fn remove_first(&mut self) {
        self.read = Reader::default();
        let Some(first) = self.segments.pop_front() else { return };
        if self.segments.is_empty() {
            self.open = None;
        }
        if let Err(error) = first.remove() {
            tracing::warn!(path = %first.path.display(), %error, "a segment of the spool that is no longer needed could not be removed");
        }
    }

    fn bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.bytes).sum()
    }

    /// Points that wait.
    fn points(&self) -> u64 {
        self.segments.iter().map(|segment| segment.points).sum::<u64>().saturating_sub(self.read.points)
    }

    fn count(&self) {
        metrics::spool(self.bytes(), self.points());
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MAX: u64 = 64 << 10;

    fn frame(number: u32) -> Frame {
        Frame { points: 1 + number % 5, payload: format!("{number:05}").into_bytes() }
    }

    /// The numbers of all frames, taken out in chunks.
    fn taken(spool: &mut Spool, points_max: u32) -> Vec<u32> {
        let mut taken = Vec::new();
        while let Some(chunk) = spool.oldest(points_max).unwrap() {
            let points: u32 = chunk.frames.iter().map(|frame| frame.points).sum();
            assert!(points <= points_max || chunk.frames.len() == 1, "{points}");
            taken.extend(chunk.frames.iter().map(|frame| String::from_utf8(frame.payload.clone()).unwrap().parse::<u32>().unwrap()));
            spool.done(&chunk);
        }
        taken
    }

    fn files(folder: &Path) -> Vec<PathBuf> {
        let mut files: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.retain(|path| path.extension().is_some());
        files.sort();
        files
    }

    #[test]
    fn what_goes_in_comes_out_in_order_over_restarts() {
        let folder = tempfile::tempdir().unwrap();
        for part in 0..3 {
            let mut spool = Spool::open(folder.path(), MAX).unwrap();
            (part * 100..(part + 1) * 100).for_each(|number| spool.append(&frame(number)).unwrap());
        }
        let mut spool = Spool::open(folder.path(), MAX).unwrap();
        assert_eq!(spool.points(), 900);
        assert!(files(folder.path()).len() > 3, "no segment was full");
        assert_eq!(taken(&mut spool, 10), (0..300).collect::<Vec<_>>());
        assert!(spool.is_empty() && spool.points() == 0 && files(folder.path()).is_empty());
        spool.append(&frame(7)).unwrap();
        assert_eq!(taken(&mut spool, 10), [7]);
    }

    #[test]
    fn what_was_not_done_comes_again() {
        let folder = tempfile::tempdir().unwrap();
        let mut spool = Spool::open(folder.path(), MAX).unwrap();
        (0..10).for_each(|number| spool.append(&frame(number)).unwrap());
        let chunk = spool.oldest(3).unwrap().unwrap();
        let again = spool.oldest(3).unwrap().unwrap();
        assert_eq!(chunk.frames, again.frames);
        spool.done(&chunk);
        spool.append(&frame(10)).unwrap();
        assert_eq!(spool.oldest(1).unwrap().unwrap().frames, [frame(chunk.frames.len() as u32)]);
        // a process that is killed now sends the segment once more, from its beginning
        drop(spool);
        assert_eq!(taken(&mut Spool::open(folder.path(), MAX).unwrap(), 100), (0..11).collect::<Vec<_>>());
    }

    #[test]
    fn it_is_bounded_and_the_oldest_go() {
        let folder = tempfile::tempdir().unwrap();
        let mut spool = Spool::open(folder.path(), MAX).unwrap();
        for number in 0..10_000 {
            spool.append(&frame(number)).unwrap();
            assert!(spool.bytes() <= MAX);
        }
        let on_disk: u64 = files(folder.path()).iter().map(|path| path.metadata().unwrap().len()).sum();
        assert!(on_disk <= MAX && on_disk > MAX * 9 / 10, "{on_disk}");
        drop(spool);
        // with less room than before
        let mut spool = Spool::open(folder.path(), MAX / 2).unwrap();
        let left = taken(&mut spool, 1_000);
        assert!(left.len() > 1_000 && left.len() < 2_000, "{}", left.len());
        assert_eq!(left, (10_000 - left.len() as u32..10_000).collect::<Vec<_>>());
    }

    #[test]
    fn the_oldest_may_go_while_they_are_sent() {
        let folder = tempfile::tempdir().unwrap();
        let mut spool = Spool::open(folder.path(), MAX).unwrap();
        (0..3).for_each(|number| spool.append(&frame(number)).unwrap());
        let first = spool.oldest(1).unwrap().unwrap();
        spool.done(&first);
        for number in 3..8_000 {
            spool.append(&frame(number)).unwrap();
        }
        let left = taken(&mut spool, 1_000);
        assert_eq!(left, (8_000 - left.len() as u32..8_000).collect::<Vec<_>>());
    }

    #[test]
    fn one_process_has_it_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let first = Spool::open(folder.path(), MAX).unwrap();
        let taken = Spool::open(folder.path(), MAX).map(|_| ()).unwrap_err();
        assert!(matches!(taken, Error::SpoolTaken { .. }), "{taken}");
        drop(first);
        assert!(Spool::open(folder.path(), MAX).is_ok());
    }

    #[test]
    fn a_segment_that_cannot_be_read_is_given_up() {
        let folder = tempfile::tempdir().unwrap();
        let mut spool = Spool::open(folder.path(), MAX).unwrap();
        (0..3).for_each(|number| spool.append(&frame(number)).unwrap());
        std::fs::remove_file(&files(folder.path())[0]).unwrap();
        assert!(spool.oldest(10).is_err());
        assert_eq!(spool.give_up_first(), 1 + 2 + 3);
        assert!(spool.is_empty());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        /// Cut at every byte: all frames that are whole come out, and what is written afterwards too.
        #[test]
        fn a_torn_end_loses_only_itself(payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..20), 1..4)) {
            let frames: Vec<Frame> = payloads.into_iter().map(|payload| Frame { points: 1, payload }).collect();
            let folder = tempfile::tempdir().unwrap();
            let mut spool = Spool::open(folder.path(), MAX).unwrap();
            frames.iter().for_each(|frame| spool.append(frame).unwrap());
            drop(spool);
            let path = files(folder.path()).remove(0);
            let whole = std::fs::read(&path).unwrap();
            let ends: Vec<usize> = frames.iter().scan(segment::MAGIC.len(), |end, frame| {
                *end += frame.write().unwrap().len();
                Some(*end)
            }).collect();
            for cut in 0..=whole.len() {
                std::fs::write(&path, &whole[..cut]).unwrap();
                let mut spool = Spool::open(folder.path(), MAX).unwrap();
                spool.append(&frame(9)).unwrap();
                let mut expected: Vec<Frame> = frames[..ends.iter().filter(|end| **end <= cut).count()].to_vec();
                expected.push(frame(9));
                let mut found = Vec::new();
                while let Some(chunk) = spool.oldest(2).unwrap() {
                    spool.done(&chunk);
                    found.extend(chunk.frames);
                }
                prop_assert_eq!(found, expected, "cut at {}", cut);
                prop_assert!(files(folder.path()).is_empty());
            }
        }

        /// A flipped bit anywhere loses what comes after it in its segment, and never gives what was not written.
        #[test]
        fn what_has_changed_on_disk_is_never_taken_for_samples(bit in 0_usize..100_000, count in 1_u32..20) {
            let folder = tempfile::tempdir().unwrap();
            let mut spool = Spool::open(folder.path(), MAX).unwrap();
            (0..count).for_each(|number| spool.append(&frame(number)).unwrap());
            drop(spool);
            let path = files(folder.path()).remove(0);
            let mut bytes = std::fs::read(&path).unwrap();
            let bit = bit % (bytes.len() * 8);
            bytes[bit / 8] ^= 1 << (bit % 8);
            std::fs::write(&path, bytes).unwrap();
            let found = taken(&mut Spool::open(folder.path(), MAX).unwrap(), 1_000);
            prop_assert!(found.len() < count as usize);
            prop_assert_eq!(&found, &(0..found.len() as u32).collect::<Vec<_>>());
        }
    }
}
