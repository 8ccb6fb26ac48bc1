//! A recording, read from a WAVE file as it stands.

use std::fs;
use std::io::Cursor;
use std::path::Path;
use std::time::Duration;

use bench_types::Audio;

/// What to do about a file that is no sound WAVE file.
const CONVERT: &str =
    "give a WAVE file of PCM or float samples (`ffmpeg -i recording out.wav` makes one)";

/// Why a file is no recording to send.
#[derive(Debug)]
pub(crate) struct Flaw {
    pub(crate) problem: String,
    pub(crate) cure: &'static str,
}

/// Reads the file, and how long it plays from its header.
pub(crate) fn read(path: &Path) -> Result<Audio, Flaw> {
    let bytes = fs::read(path).map_err(|cause| Flaw {
        problem: format!("cannot read it: {cause}"),
        cure: "check that the file is there and may be read",
    })?;
    let duration = duration(&bytes).map_err(|problem| Flaw {
        problem,
        cure: CONVERT,
    })?;
    let name = path.file_name().and_then(|name| name.to_str());
    let file_name = name.ok_or_else(|| Flaw {
        problem: "its name is not UTF-8 and cannot be sent".to_owned(),
        cure: "rename the file",
    })?;
    Ok(Audio {
        file_name: file_name.to_owned(),
        bytes,
        duration,
    })
}

/// How long the WAVE file of these bytes plays; an error text if it is none, is cut or is empty.
fn duration(bytes: &[u8]) -> Result<Duration, String> {
    let reader = hound::WavReader::new(Cursor::new(bytes)).map_err(|cause| cause.to_string())?;
    let (frames, samples) = (u64::from(reader.duration()), u64::from(reader.len()));
    let spec = reader.spec();
    let there = bytes.len() as u64 - reader.into_inner().position();
    if spec.sample_rate == 0 {
        return Err("its header says 0 samples per second".to_owned());
    }
    if frames == 0 {
        return Err("it holds no sound".to_owned());
    }
    let wanted = samples * u64::from(spec.bits_per_sample.div_ceil(8));
    if there < wanted {
        return Err(format!(
            "it is cut: {there} bytes of sound are there, and its header says {wanted}"
        ));
    }
    let rate = u64::from(spec.sample_rate);
    let nanos = frames % rate * 1_000_000_000 / rate;
    Ok(Duration::new(frames / rate, nanos as u32))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A WAVE file of silence.
    fn wave(rate: u32, channels: u16, bits: u16, frames: u32) -> Vec<u8> {
        let spec = hound::WavSpec {
            channels,
            sample_rate: rate,
            bits_per_sample: bits,
            sample_format: hound::SampleFormat::Int,
        };
        let mut bytes = Cursor::new(Vec::new());
        let mut writer = hound::WavWriter::new(&mut bytes, spec).unwrap();
        for _ in 0..frames * u32::from(channels) {
            writer.write_sample(0).unwrap();
        }
        writer.finalize().unwrap();
        bytes.into_inner()
    }

    #[test]
    fn it_plays_as_long_as_frames_by_rate() {
        for (rate, channels, bits, frames, expected) in [
            (16_000, 1, 16, 4_000, Duration::from_millis(250)),
            (8_000, 2, 8, 12_000, Duration::from_millis(1_500)),
            (44_100, 2, 24, 44_100, Duration::from_secs(1)),
            (48_000, 1, 32, 1, Duration::from_nanos(20_833)),
        ] {
            let bytes = wave(rate, channels, bits, frames);
            assert_eq!(duration(&bytes), Ok(expected), "{rate} {channels} {bits}");
        }
    }

    #[test]
    fn every_cut_is_noticed() {
        let bytes = wave(8_000, 1, 16, 20);
        for end in 0..bytes.len() {
            assert!(duration(&bytes[..end]).is_err(), "{end}");
        }
        let message = duration(&bytes[..bytes.len() - 3]).unwrap_err();
        assert_eq!(
            message,
            "it is cut: 37 bytes of sound are there, and its header says 40"
        );
    }

    #[test]
    fn silence_of_no_length_and_a_rate_of_zero_are_refused() {
        let message = duration(&wave(8_000, 1, 16, 0)).unwrap_err();
        assert_eq!(message, "it holds no sound");
        // Samples and bytes per second, both 0 as far as the header goes.
        let mut bytes = wave(8_000, 1, 16, 4);
        let rates = bytes.windows(4).position(|w| w == 8_000_u32.to_le_bytes());
        let rates = rates.unwrap();
        bytes[rates..rates + 8].fill(0);
        let message = duration(&bytes).unwrap_err();
        assert_eq!(message, "its header says 0 samples per second");
    }
}
