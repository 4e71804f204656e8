//! Little tunes by arithmetic: the same description always gives the same samples.

use std::f64::consts::TAU;

/// Samples a second.
pub(super) const SAMPLE_RATE: usize = 48_000;
/// Opus packets hold 20 ms, and its decoders drop the first 6.5 ms; AAC packets hold 1024 samples. Tunes that end
/// with a packet decode to the same samples from every container, whether or not it can say that the end is to be
/// trimmed.
const OPUS_PACKET: usize = 960;
const OPUS_PRE_SKIP: usize = 312;
const AAC_PACKET: usize = 1024;
const AAC_SAMPLE_RATE: usize = 44_100;

/// Semitones of a scale's steps above its root.
const MAJOR: [i32; 7] = [0, 2, 4, 5, 7, 9, 11];
const MINOR: [i32; 7] = [0, 2, 3, 5, 7, 8, 10];
/// Chords as steps of the scale, one a bar; all of them come home.
const PROGRESSIONS: [[usize; 4]; 4] = [[0, 4, 5, 3], [0, 5, 3, 4], [0, 3, 0, 4], [5, 3, 0, 4]];
/// The order in which a bar plays its chord: indexes of [root, third, fifth, octave, ninth].
const PATTERNS: [[usize; 8]; 4] =
    [[0, 2, 3, 2, 1, 2, 3, 2], [0, 1, 2, 3, 4, 3, 2, 1], [3, 2, 1, 0, 1, 2, 3, 2], [0, 2, 1, 3, 2, 4, 3, 1]];
const TABLE_SIZE: usize = 4096;

/// A tune: chords taken apart, over a bass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Melody {
    /// MIDI number of the root, about 48 to 64.
    pub(crate) root: i32,
    pub(crate) minor: bool,
    pub(crate) beats_per_minute: u32,
    /// Chooses chords and patterns.
    pub(crate) variation: usize,
    /// Length in seconds, to the nearest 20 ms packet.
    pub(crate) seconds: u32,
}

impl Melody {
    /// Samples of one channel.
    pub(super) fn len(self) -> usize {
        let wanted = self.seconds as usize * SAMPLE_RATE;
        (wanted + OPUS_PRE_SKIP).div_ceil(OPUS_PACKET) * OPUS_PACKET - OPUS_PRE_SKIP
    }

    /// The same at AAC's rate, without what does not fill a packet.
    pub(super) fn aac_len(self) -> usize {
        self.len() * AAC_SAMPLE_RATE / SAMPLE_RATE / AAC_PACKET * AAC_PACKET
    }

    /// Stereo, interleaved, little-endian 16 bit.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "samples and their numbers are small"
    )]
    pub(super) fn to_pcm(self) -> Vec<u8> {
        let len = self.len();
        let mut mix = vec![[0f32; 2]; len];
        let eighth = SAMPLE_RATE as f64 * 30.0 / f64::from(self.beats_per_minute);
        let soft = wave_table(&[1.0, 0.35, 0.12, 0.05]);
        let round = wave_table(&[1.0, 0.15]);
        let progression = PROGRESSIONS[self.variation % PROGRESSIONS.len()];
        for note in 0..(len as f64 / eighth).ceil() as usize {
            let bar = note / 8;
            let chord = progression[bar % 4];
            let pattern = PATTERNS[(self.variation / 4 + bar / 4) % PATTERNS.len()];
            let step = chord + [0, 2, 4, 7, 8][pattern[note % 8]];
            let start = (note as f64 * eighth) as usize;
            let pan = if note % 2 == 0 { 0.4 } else { 0.6 };
            add_note(&mut mix, &soft, start, self.frequency(step, 12), eighth * 3.0, 0.20, pan);
            if note % 4 == 0 {
                add_note(&mut mix, &round, start, self.frequency(chord, -12), eighth * 5.0, 0.28, 0.5);
            }
        }
        let fade = (SAMPLE_RATE / 2).min(len);
        let mut pcm = Vec::with_capacity(len * 4);
        for (at, frame) in mix.iter().enumerate() {
            let gain = ((len - at) as f32 / fade as f32).min(1.0);
            for sample in frame {
                let sample = (sample * gain).clamp(-0.95, 0.95) * f32::from(i16::MAX);
                pcm.extend((sample as i16).to_le_bytes());
            }
        }
        pcm
    }

    fn frequency(self, step: usize, transpose: i32) -> f64 {
        let scale = if self.minor { MINOR } else { MAJOR };
        let octaves = i32::try_from(step / 7).unwrap_or(0);
        let midi = self.root + transpose + 12 * octaves + scale[step % 7];
        440.0 * (f64::from(midi - 69) / 12.0).exp2()
    }
}

/// One period of a sine with its overtones.
#[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "numbers are small")]
fn wave_table(overtones: &[f64]) -> Vec<f32> {
    let at = |index: usize| -> f64 {
        let phase = TAU * index as f64 / TABLE_SIZE as f64;
        overtones.iter().enumerate().map(|(n, gain)| gain * (phase * (n + 1) as f64).sin()).sum()
    };
    (0..TABLE_SIZE).map(|index| at(index) as f32).collect()
}

/// Adds a plucked note that dies away within `length` samples.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "samples and their numbers are small"
)]
fn add_note(mix: &mut [[f32; 2]], table: &[f32], start: usize, hz: f64, length: f64, gain: f32, pan: f32) {
    const ATTACK: f32 = 240.0;
    let per_sample = hz * TABLE_SIZE as f64 / SAMPLE_RATE as f64;
    let end = (start + length as usize).min(mix.len());
    let length = length as f32;
    for (nth, frame) in mix[start.min(end)..end].iter_mut().enumerate() {
        let age = nth as f32;
        let left = 1.0 - age / length;
        let envelope = (age / ATTACK).min(1.0) * left * left * left;
        let sample = table[(nth as f64 * per_sample) as usize % TABLE_SIZE] * envelope * gain;
        frame[0] += sample * (1.0 - pan);
        frame[1] += sample * pan;
    }
}
