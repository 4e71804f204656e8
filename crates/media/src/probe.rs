//! Reads what is in an MP4 file that ffmpeg wrote: its codec, length and packets, and whether the index
//! comes first. No more of the format than that, and nothing of it is decoded.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    path::Path,
};

/// The index of a recording of a day has less.
const MAX_INDEX_BYTES: u64 = 64 << 20;
/// Before the boxes within: 8 bytes of every entry of a sample table, 20 of audio.
const AUDIO_ENTRY_BYTES: usize = 28;

/// What a file holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probed {
    /// `opus`, `aac`, or the four letters of what else it is.
    pub codec: String,
    /// As a player shows it, without what the codec needs to swing in.
    pub duration_ms: u64,
    pub bitrate_kbps: u32,
    pub packets: u64,
    /// Whether a player can begin before it has all.
    pub index_first: bool,
}

#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    #[error("the file cannot be read")]
    Io(#[from] io::Error),
    #[error("the file is no MP4 with one audio track: {0}")]
    Malformed(&'static str),
}

/// Reads a file. Blocks.
///
/// # Errors
/// When it is not what ffmpeg writes.
pub fn probe(path: &Path) -> Result<Probed, ProbeError> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    let mut at = 0;
    let mut index = None;
    let mut media_at = None;
    while at < length {
        let (kind, header, size) = read_header(&mut file, at, length)?;
        match &kind {
            b"moov" => {
                if size > MAX_INDEX_BYTES {
                    return Err(ProbeError::Malformed("the index is too large"));
                }
                let mut payload = Vec::new();
                file.by_ref().take(size - header).read_to_end(&mut payload)?;
                index = Some((at, payload));
            }
            b"mdat" => media_at = Some(at),
            _ => {}
        }
        at += size;
        file.seek(SeekFrom::Start(at))?;
    }
    let (Some((index_at, index)), Some(media_at)) = (index, media_at) else {
        return Err(ProbeError::Malformed("no index or no media"));
    };
    read_index(&index, index_at < media_at)
}

/// Kind, bytes of the header and of the whole box, which lies within the file.
fn read_header(file: &mut File, at: u64, length: u64) -> Result<([u8; 4], u64, u64), ProbeError> {
    let mut head = [0; 8];
    file.read_exact(&mut head).map_err(|_| ProbeError::Malformed("it ends within a box"))?;
    let [a, b, c, d, kind @ ..] = head;
    let (header, size) = match u32::from_be_bytes([a, b, c, d]) {
        0 => (8, length - at),
        1 => {
            let mut long = [0; 8];
            file.read_exact(&mut long).map_err(|_| ProbeError::Malformed("it ends within a box"))?;
            (16, u64::from_be_bytes(long))
        }
        size => (8, u64::from(size)),
    };
    if size < header || size > length - at {
        return Err(ProbeError::Malformed("a box is longer than the file"));
    }
    Ok((kind, header, size))
}

fn read_index(index: &[u8], index_first: bool) -> Result<Probed, ProbeError> {
    let missing = |what| move || ProbeError::Malformed(what);
    let movie = find(index, b"mvhd").ok_or_else(missing("no movie header"))?;
    let movie_scale = scale(movie).ok_or_else(missing("no movie header"))?;
    let mut tracks = boxes(index).filter(|(kind, _)| kind == b"trak");
    let (Some((_, track)), None) = (tracks.next(), tracks.next()) else {
        return Err(ProbeError::Malformed("not one track"));
    };
    let media = find(track, b"mdia").ok_or_else(missing("no media"))?;
    let media_scale = find(media, b"mdhd").and_then(scale).ok_or_else(missing("no media header"))?;
    let table = find(media, b"minf")
        .and_then(|info| find(info, b"stbl"))
        .ok_or_else(missing("no table of samples"))?;
    let codec = find(table, b"stsd").and_then(read_codec).ok_or_else(missing("no description"))?;
    let (packets, bytes) = find(table, b"stsz").and_then(read_sizes).ok_or_else(missing("no sizes"))?;
    let played = find(track, b"edts").and_then(|edits| find(edits, b"elst")).and_then(read_edits);
    let duration_ms = match played {
        Some(ticks) => in_ms(ticks, movie_scale),
        None => {
            let ticks = find(table, b"stts").and_then(read_times).ok_or_else(missing("no times"))?;
            in_ms(ticks, media_scale)
        }
    };
    let bitrate_kbps = bytes.saturating_mul(8).checked_div(duration_ms).unwrap_or(0);
    Ok(Probed {
        codec,
        duration_ms,
        bitrate_kbps: u32::try_from(bitrate_kbps).unwrap_or(u32::MAX),
        packets,
        index_first,
    })
}

/// Boxes side by side, up to the first that is not whole.
fn boxes(mut bytes: &[u8]) -> impl Iterator<Item = ([u8; 4], &[u8])> {
    std::iter::from_fn(move || {
        let (size, rest) = bytes.split_first_chunk::<4>()?;
        let (kind, _) = rest.split_first_chunk::<4>()?;
        let size = u32::from_be_bytes(*size) as usize;
        let payload = bytes.get(8..size)?;
        bytes = &bytes[size..];
        Some((*kind, payload))
    })
}

fn find<'a>(bytes: &'a [u8], wanted: &[u8; 4]) -> Option<&'a [u8]> {
    boxes(bytes).find(|(kind, _)| kind == wanted).map(|(_, payload)| payload)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// Ticks per second, of a movie's or a media header.
fn scale(header: &[u8]) -> Option<u32> {
    let at = if *header.first()? == 1 { 20 } else { 12 };
    u32_at(header, at).filter(|scale| *scale > 0)
}

fn in_ms(ticks: u64, scale: u32) -> u64 {
    u64::try_from(u128::from(ticks) * 1000 / u128::from(scale)).unwrap_or(u64::MAX)
}

fn read_codec(description: &[u8]) -> Option<String> {
    let (kind, entry) = boxes(description.get(8..)?).next()?;
    Some(match &kind {
        b"Opus" => "opus".to_owned(),
        b"mp4a" => read_object_type(find(entry.get(AUDIO_ENTRY_BYTES..)?, b"esds")?)?,
        other => String::from_utf8_lossy(other).trim().to_owned(),
    })
}

/// Finds the kind of `mp4a` in its chain of descriptors.
fn read_object_type(descriptors: &[u8]) -> Option<String> {
    const STREAM: u8 = 3;
    const DECODER: u8 = 4;
    let mut rest = descriptors.get(4..)?;
    loop {
        let (tag, after) = rest.split_first()?;
        // The length takes as many bytes as have their highest bit set, and one more.
        let length_bytes = after.iter().position(|byte| byte & 0x80 == 0)? + 1;
        let payload = after.get(length_bytes..)?;
        rest = match *tag {
            // A number and flags come first; ffmpeg sets no flags.
            STREAM => payload.get(3..)?,
            DECODER => {
                return Some(match payload.first()? {
                    0x40 | 0x66..=0x68 => "aac".to_owned(),
                    0x69 | 0x6b => "mp3".to_owned(),
                    other => format!("mp4a.{other:02x}"),
                });
            }
            _ => return None,
        };
    }
}

/// How many samples, and their bytes.
fn read_sizes(sizes: &[u8]) -> Option<(u64, u64)> {
    let (each, count) = (u64::from(u32_at(sizes, 4)?), u64::from(u32_at(sizes, 8)?));
    if each > 0 {
        return Some((count, count * each));
    }
    let table = sizes.get(12..)?.as_chunks::<4>().0;
    let table = table.get(..usize::try_from(count).ok()?)?;
    Some((count, table.iter().map(|size| u64::from(u32::from_be_bytes(*size))).sum()))
}

/// Ticks of the media.
fn read_times(times: &[u8]) -> Option<u64> {
    let count = u32_at(times, 4)? as usize;
    let table = times.get(8..)?.as_chunks::<8>().0.get(..count)?;
    table.iter().try_fold(0_u64, |sum, entry| {
        let (samples, each) = (u32_at(entry, 0)?, u32_at(entry, 4)?);
        sum.checked_add(u64::from(samples) * u64::from(each))
    })
}

/// Ticks of the movie that are played; None where nothing is said.
fn read_edits(edits: &[u8]) -> Option<u64> {
    let long = *edits.first()? == 1;
    let count = u32_at(edits, 4)? as usize;
    let (entry_bytes, table) = (if long { 20 } else { 12 }, edits.get(8..)?);
    let mut played = 0_u64;
    for entry in table.chunks_exact(entry_bytes).take(count) {
        let (length, is_gap) = if long {
            (u64_at(entry, 0)?, u64_at(entry, 8)? == u64::MAX)
        } else {
            (u64::from(u32_at(entry, 0)?), u32_at(entry, 4)? == u32::MAX)
        };
        if !is_gap {
            played = played.checked_add(length)?;
        }
    }
    (played > 0).then_some(played)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn boxed(kind: &[u8; 4], payload: &[u8]) -> Vec<u8> {
        let size = u32::try_from(payload.len() + 8).expect("a small box");
        [&size.to_be_bytes()[..], kind, payload].concat()
    }

    fn words(words: &[u32]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_be_bytes()).collect()
    }

    /// One track of Opus: 1000 packets of 200 bytes, 20 ms each, the first 312 ticks of 48,000 not played.
    fn index(edits: bool) -> Vec<u8> {
        let entry = boxed(b"Opus", &[0; 28]);
        let table = [
            boxed(b"stsd", &[words(&[0, 1]), entry].concat()),
            boxed(b"stts", &words(&[0, 1, 1000, 960])),
            boxed(b"stsz", &words(&[0, 200, 1000])),
        ]
        .concat();
        let media =
            [boxed(b"mdhd", &words(&[0, 0, 0, 48_000, 960_000, 0])), boxed(b"minf", &boxed(b"stbl", &table))]
                .concat();
        let edit = boxed(b"edts", &boxed(b"elst", &words(&[0, 1, 19_993, 312, 0x1_0000])));
        let track = [if edits { edit } else { Vec::new() }, boxed(b"mdia", &media)].concat();
        [boxed(b"mvhd", &words(&[0, 0, 0, 1000, 20_000])), boxed(b"trak", &track)].concat()
    }

    fn probe_bytes(bytes: &[u8]) -> Result<Probed, ProbeError> {
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        std::fs::write(file.path(), bytes).expect("its bytes");
        probe(file.path())
    }

    #[test]
    fn reads_codec_length_and_packets() {
        let file = [boxed(b"ftyp", b"isom"), boxed(b"moov", &index(true)), boxed(b"mdat", &[0; 64])].concat();
        assert_eq!(
            probe_bytes(&file).expect("a good file"),
            Probed {
                codec: "opus".to_owned(),
                duration_ms: 19_993,
                bitrate_kbps: 80,
                packets: 1000,
                index_first: true
            }
        );
    }

    #[test]
    fn without_edits_the_length_is_that_of_all_packets() {
        let file = [boxed(b"mdat", &[0; 64]), boxed(b"moov", &index(false))].concat();
        let probed = probe_bytes(&file).expect("a good file");
        assert_eq!((probed.duration_ms, probed.index_first), (20_000, false));
    }

    #[test]
    fn whatever_is_cut_off_is_refused() {
        let file = [boxed(b"moov", &index(true)), boxed(b"mdat", &[0; 64])].concat();
        for cut in 0..file.len() {
            assert!(probe_bytes(&file[..cut]).is_err(), "{cut} bytes");
        }
        assert!(probe_bytes(b"\x1a\x45\xdf\xa3 a WebM file").is_err());
        let two = [index(true), boxed(b"trak", &[])].concat();
        assert!(probe_bytes(&[boxed(b"moov", &two), boxed(b"mdat", &[0; 8])].concat()).is_err());
    }

    #[test]
    fn the_kind_of_mp4a_is_in_its_descriptors() {
        let descriptors = |kind| {
            [&[0, 0, 0, 0, 3, 0x80, 0x80, 0x80, 0x22, 0, 1, 0, 4, 0x80, 0x80, 0x80, 0x14, kind][..], &[0; 12]]
                .concat()
        };
        assert_eq!(read_object_type(&descriptors(0x40)).as_deref(), Some("aac"));
        assert_eq!(read_object_type(&descriptors(0x6b)).as_deref(), Some("mp3"));
        assert_eq!(read_object_type(&descriptors(0xdd)).as_deref(), Some("mp4a.dd"));
        assert_eq!(read_object_type(&[0, 0, 0, 0, 3]), None);
    }
}
