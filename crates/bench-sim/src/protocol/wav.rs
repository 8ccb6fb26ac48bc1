//! How long a WAV file plays.

/// The duration in seconds, from the file's headers; `None` if it is not a WAV file with
/// any sound in it.
pub(super) fn seconds(file: &[u8]) -> Option<f64> {
    let mut chunks = file
        .strip_prefix(b"RIFF")?
        .get(4..)?
        .strip_prefix(b"WAVE")?;
    let mut bytes_per_second = None;
    loop {
        let (head, rest) = chunks.split_at_checked(8)?;
        // A file written as a stream does not know its size and claims the largest one.
        let size = (u32_at(head, 4)? as usize).min(rest.len());
        match &head[..4] {
            b"fmt " => bytes_per_second = Some(u32_at(&rest[..size], 8)?),
            b"data" => {
                let rate = bytes_per_second.filter(|rate| *rate > 0)?;
                return (size > 0).then(|| size as f64 / f64::from(rate));
            }
            _ => {}
        }
        // Chunks begin at even places.
        chunks = rest.get(size + size % 2..)?;
    }
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let four = bytes.get(at..at + 4)?;
    Some(u32::from_le_bytes(four.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 16-bit mono at 8 kHz with an odd chunk before the sound.
    fn wav(data: &[u8], claimed: u32) -> Vec<u8> {
        let mut file = b"RIFF\0\0\0\0WAVELIST\x03\0\0\0abc\0fmt \x10\0\0\0\x01\0\x01\0".to_vec();
        file.extend(8_000u32.to_le_bytes());
        file.extend(16_000u32.to_le_bytes());
        file.extend(b"\x02\0\x10\0data");
        file.extend(claimed.to_le_bytes());
        file.extend(data);
        file
    }

    #[test]
    fn the_duration_is_that_of_the_samples() {
        assert_eq!(seconds(&wav(&[0; 24_000], 24_000)), Some(1.5));
        let unknown = wav(&[0; 8_000], u32::MAX);
        assert_eq!(seconds(&unknown), Some(0.5));
    }

    #[test]
    fn what_is_no_sound_has_no_duration() {
        let file = wav(&[0; 2], 2);
        for length in 0..file.len() - 2 {
            assert_eq!(seconds(&file[..length]), None, "{length} bytes");
        }
        assert_eq!(seconds(&wav(&[], 0)), None);
        assert_eq!(seconds(b"ID3 an mp3"), None);
    }
}
