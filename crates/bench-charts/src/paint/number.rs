//! How numbers stand beside axes.

/// A number as text, exact to the `step` between neighbours on the axis.
pub(super) fn number(value: f64, step: f64) -> String {
    let size = value.abs().max(step.abs());
    if value == 0.0 {
        return "0".to_owned();
    }
    if size >= 1e15 || (size < 1e-4 && step < 1e-4) {
        return scientific(value);
    }
    let (value, step, unit) = match value.abs() {
        great if great >= 1e9 => (value / 1e9, step / 1e9, "B"),
        great if great >= 1e6 => (value / 1e6, step / 1e6, "M"),
        _ => (value, step, ""),
    };
    let text = format!("{:.*}", decimals(step), value.abs());
    // Rounding may have left nothing.
    let zero = text.bytes().all(|c| c == b'0' || c == b'.');
    let sign = if value < 0.0 && !zero { "−" } else { "" };
    format!("{sign}{}{unit}", grouped(&text))
}

/// How many digits after the point tell multiples of `step` apart.
fn decimals(step: f64) -> usize {
    (0..9)
        .find(|digits| {
            let scaled = step * 10_f64.powi(*digits);
            (scaled - scaled.round()).abs() < 1e-6 * scaled.abs().max(1e-9)
        })
        .unwrap_or(9) as usize
}

/// Digits with a comma after each thousand.
fn grouped(text: &str) -> String {
    let (whole, rest) = text.split_at(text.find('.').unwrap_or(text.len()));
    let mut out = String::with_capacity(text.len() + whole.len() / 3);
    for (i, digit) in whole.chars().enumerate() {
        if i > 0 && (whole.len() - i) % 3 == 0 {
            out.push(',');
        }
        out.push(digit);
    }
    out + rest
}

fn scientific(value: f64) -> String {
    let text = format!("{value:e}");
    let text = match text.split_once('e') {
        Some((digits, power)) if digits.len() > 6 => {
            let rounded: f64 = digits.parse().unwrap_or(value);
            format!("{rounded:.3}e{power}")
        }
        _ => text,
    };
    text.replace('-', "−")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_the_digits_that_their_neighbours_need() {
        for (value, step, text) in [
            (0.0, 0.2, "0"),
            (0.30000000000000004, 0.1, "0.3"),
            (-2.0, 1.0, "−2"),
            (1500.0, 500.0, "1,500"),
            (12_345.0, 1.0, "12,345"),
            (2_500_000.0, 500_000.0, "2.5M"),
            (3e9, 1e9, "3B"),
            (0.025, 0.025, "0.025"),
            (2e-6, 1e-6, "2e−6"),
            (1e18, 1e18, "1e18"),
        ] {
            assert_eq!(number(value, step), text);
        }
    }
}
