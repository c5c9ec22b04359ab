//! One file of the spool: its kind and version, then frames.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::frame::Frame;

/// What another version wrote is left out, as what is torn.
pub(super) const MAGIC: &[u8; 8] = b"lokispl1";
const EXTENSION: &str = "segment";

pub(super) struct Segment {
    pub(super) number: u64,
    pub(super) path: PathBuf,
    /// Up to the end of the last whole frame.
    pub(super) bytes: u64,
    pub(super) points: u64,
}

/// A place between two frames of a segment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reader {
    pub(super) bytes: u64,
    /// In all frames before it.
    pub(super) points: u64,
}

impl Default for Reader {
    /// Before the first frame.
    fn default() -> Self {
        Self { bytes: MAGIC.len() as u64, points: 0 }
    }
}

/// The segments of a folder in order, without what is torn; and how many bytes that was.
pub(super) fn found(folder: &Path) -> io::Result<(Vec<Segment>, u64)> {
    let mut segments = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let number = path.file_stem().and_then(|stem| stem.to_str()?.parse().ok());
        if let Some(number) = number.filter(|_| path.extension().is_some_and(|extension| extension == EXTENSION)) {
            segments.push(Segment { number, path, bytes: 0, points: 0 });
        }
    }
    segments.sort_unstable_by_key(|segment| segment.number);
    let mut torn = 0;
    let mut whole = Vec::new();
    for mut segment in segments {
        torn += segment.scan()?;
        if segment.points > 0 {
            whole.push(segment);
        } else {
            segment.remove()?;
        }
    }
    Ok((whole, torn))
}

impl Segment {
    /// Begins a new file, which must not be there.
    pub(super) fn create(folder: &Path, number: u64) -> io::Result<(Self, File)> {
        let path = folder.join(format!("{number:012}.{EXTENSION}"));
        let mut file = File::options().append(true).create_new(true).open(&path)?;
        if let Err(error) = file.write_all(MAGIC) {
            // told by the error; an empty one is removed when the spool is opened the next time
            let _ = std::fs::remove_file(&path);
            return Err(error);
        }
        Ok((Self { number, path, bytes: MAGIC.len() as u64, points: 0 }, file))
    }

    /// # Errors
    /// The frame is not, or not as a whole, in the file.
    pub(super) fn append(&mut self, file: &mut File, frame: &[u8], points: u32) -> io::Result<()> {
        file.write_all(frame)?;
        self.bytes += frame.len() as u64;
        self.points += u64::from(points);
        Ok(())
    }

    /// Frames from a place on, up to `points_max` points and at least one frame, and moves the place behind them.
    pub(super) fn read(&self, place: &mut Reader, points_max: u32) -> io::Result<Vec<Frame>> {
        let mut file = File::open(&self.path)?;
        file.seek(SeekFrom::Start(place.bytes))?;
        // not what a failed write may have left behind the last whole frame
        let mut from = BufReader::new(file.take(self.bytes.saturating_sub(place.bytes)));
        let (mut frames, mut points) = (Vec::new(), 0_u32);
        while let Some(frame) = Frame::read(&mut from)? {
            points = points.saturating_add(frame.points);
            if points > points_max && !frames.is_empty() {
                break;
            }
            place.bytes += frame.bytes();
            place.points += u64::from(frame.points);
            frames.push(frame);
        }
        Ok(frames)
    }

    /// Counts what is whole, cuts off what is not, and tells how much that was.
    fn scan(&mut self) -> io::Result<u64> {
        let mut file = File::options().read(true).write(true).open(&self.path)?;
        let length = file.metadata()?.len();
        let mut from = BufReader::new(&mut file);
        let mut magic = Vec::new();
        from.by_ref().take(MAGIC.len() as u64).read_to_end(&mut magic)?;
        let mut place = Reader { bytes: 0, points: 0 };
        if magic == MAGIC {
            place = Reader::default();
            while let Some(frame) = Frame::read(&mut from)? {
                place.bytes += frame.bytes();
                place.points += u64::from(frame.points);
            }
        }
        (self.bytes, self.points) = (place.bytes, place.points);
        if length > self.bytes {
            file.set_len(self.bytes)?;
        }
        Ok(length - self.bytes)
    }

    pub(super) fn remove(&self) -> io::Result<()> {
        std::fs::remove_file(&self.path)
    }
}
