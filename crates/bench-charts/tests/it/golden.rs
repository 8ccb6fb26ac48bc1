//! Pictures that were looked at once and found good, with their marks in words, and how far
//! others are from them.

use std::path::PathBuf;

/// Pixels of a picture become one of this many on each side: fine differences of drawing vanish,
/// what is missing does not.
const BLOCK: usize = 4;

/// How far two pictures may differ, in shades of grey: in the mean, and in the worst block.
const MEAN: f64 = 0.25;
const WORST: f64 = 10.0;

/// Set to rewrite the pictures and words.
const REWRITE: &str = "REWRITE_GOLDEN_CHARTS";

/// The grey of each block of a picture.
struct Blocks {
    size: (u32, u32),
    greys: Vec<f64>,
}

impl Blocks {
    fn of(file: &[u8]) -> Blocks {
        let mut reader = png::Decoder::new(std::io::Cursor::new(file))
            .read_info()
            .unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut pixels).unwrap();
        assert_eq!(info.color_type, png::ColorType::Rgb);
        let (width, height) = (info.width as usize, info.height as usize);
        let mut greys = Vec::new();
        for top in (0..height).step_by(BLOCK) {
            for left in (0..width).step_by(BLOCK) {
                let (mut sum, mut count) = (0.0, 0);
                for y in top..(top + BLOCK).min(height) {
                    for x in left..(left + BLOCK).min(width) {
                        let pixel = &pixels[(y * width + x) * 3..][..3];
                        // Rec. 709 luma.
                        sum += 0.2126 * f64::from(pixel[0])
                            + 0.7152 * f64::from(pixel[1])
                            + 0.0722 * f64::from(pixel[2]);
                        count += 1;
                    }
                }
                greys.push(sum / f64::from(count));
            }
        }
        Blocks {
            size: (info.width, info.height),
            greys,
        }
    }
}

/// Says how two pictures differ, if they do so visibly.
pub(crate) fn difference(one: &[u8], other: &[u8]) -> Option<String> {
    let (one, other) = (Blocks::of(one), Blocks::of(other));
    if one.size != other.size {
        return Some(format!("{:?} is not {:?}", one.size, other.size));
    }
    let pairs = one.greys.iter().zip(&other.greys);
    let apart: Vec<f64> = pairs.map(|(a, b)| (a - b).abs()).collect();
    let mean = apart.iter().sum::<f64>() / apart.len() as f64;
    let worst = apart.iter().copied().fold(0.0, f64::max);
    (mean > MEAN || worst > WORST).then(|| format!("mean {mean:.3}, worst {worst:.1}"))
}

/// The file of this name.
fn golden(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    folder.join(name)
}

/// The golden file of this name. `None` if it is rewritten with what is there now.
fn known(name: &str, now: &[u8]) -> Option<Vec<u8>> {
    let path = golden(name);
    if std::env::var_os(REWRITE).is_some() {
        std::fs::write(&path, now).unwrap();
        return None;
    }
    let read = std::fs::read(&path);
    Some(read.unwrap_or_else(|e| panic!("{}: {e}; {REWRITE}=1 writes it", path.display())))
}

/// Keeps what is there now beside the build, and tells where.
fn unlike(name: &str, now: &[u8], difference: &str) -> ! {
    let seen = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&seen, now).unwrap();
    panic!(
        "{name} is different ({difference}): compare {} with {}; if the new one is right, \
         {REWRITE}=1 takes it over",
        seen.display(),
        golden(name).display()
    )
}

/// Compares a picture with the one of its name, or puts it there.
pub(crate) fn check(name: &str, picture: &[u8]) {
    let name = format!("{name}.png");
    let known = known(&name, picture);
    if let Some(difference) = known.and_then(|known| difference(&known, picture)) {
        unlike(&name, picture, &difference);
    }
}

/// Compares a text with the one of its name, or puts it there.
pub(crate) fn check_words(name: &str, words: &str) {
    let name = format!("{name}.txt");
    let Some(known) = known(&name, words.as_bytes()) else {
        return;
    };
    let known = String::from_utf8(known).unwrap();
    // Git may have written other line ends.
    let mut pairs = known.lines().zip(words.lines());
    if let Some((before, now)) = pairs.find(|(before, now)| before != now) {
        unlike(
            &name,
            words.as_bytes(),
            &format!("{before:?} became {now:?}"),
        );
    }
    let (before, now) = (known.lines().count(), words.lines().count());
    if before != now {
        unlike(
            &name,
            words.as_bytes(),
            &format!("{before} lines became {now}"),
        );
    }
}
