use bench_charts::figures::{distribution, over_time};
use bench_charts::{ChartError, Figure, Marks, Size, Theme};

use super::golden::{check, difference};
use super::samples;

/// Large enough to be looked at, small enough to be drawn often.
fn small(figure: &Figure) -> Size {
    let rows = figure.panels.len().div_ceil(figure.columns) as u32;
    Size::new(270 * figure.columns as u32 + 140, 170 + 180 * rows)
}

fn png(figure: &Figure, theme: Theme) -> Vec<u8> {
    figure.to_png(theme, small(figure)).unwrap()
}

#[test]
fn every_kind_of_marks_looks_as_it_did() {
    for figure in samples::all() {
        check(&figure.id, &png(&figure, Theme::Light));
    }
}

#[test]
fn the_dark_theme_looks_as_it_did() {
    check("panels-dark", &png(&samples::panels(), Theme::Dark));
}

#[test]
fn the_charts_of_single_requests_look_as_they_did() {
    let run = samples::run(400);
    for figure in [distribution(&[&run]), over_time(&[&run])] {
        let figure = figure.unwrap();
        check(&figure.id, &png(&figure, Theme::Light));
    }
}

/// As small as a picture may be that is only compared.
fn tiny(figure: &Figure) -> Vec<u8> {
    let rows = figure.panels.len().div_ceil(figure.columns) as u32;
    let size = Size::new(240 * figure.columns as u32 + 100, 150 + 170 * rows);
    figure.to_png(Theme::Light, size).unwrap()
}

#[test]
fn a_picture_without_one_of_its_layers_is_noticed() {
    for figure in samples::all() {
        let whole = tiny(&figure);
        for layer in 0..figure.panels[0].layers.len() {
            let mut without = figure.clone();
            without.panels[0].layers[layer].marks = Marks::Points(Vec::new());
            let difference = difference(&whole, &tiny(&without));
            assert!(difference.is_some(), "{} without {layer}", figure.id);
        }
    }
}

#[test]
fn a_figure_is_drawn_the_same_each_time() {
    let figure = samples::panels();
    assert_eq!(png(&figure, Theme::Light), png(&figure, Theme::Light));
    let svg = || figure.to_svg(Theme::Light, small(&figure)).unwrap();
    assert_eq!(svg(), svg());
}

#[test]
fn a_pixel_ratio_of_two_has_four_times_the_pixels() {
    let figure = samples::bars();
    let size = Size::new(400, 300);
    for (ratio, pixels) in [(1, (400, 300)), (2, (800, 600))] {
        let file = figure
            .to_png(Theme::Light, size.with_pixel_ratio(ratio))
            .unwrap();
        let reader = png::Decoder::new(std::io::Cursor::new(file))
            .read_info()
            .unwrap();
        assert_eq!(reader.info().size(), pixels);
    }
}

#[test]
fn sizes_that_make_no_sense_are_refused_with_the_cure() {
    let figure = samples::panels();
    let error = figure
        .to_png(Theme::Light, Size::new(200, 150))
        .unwrap_err();
    assert!(matches!(error, ChartError::TooSmall { .. }));
    assert!(error.to_string().contains("Make the picture larger"));
    let huge = Size::new(20_000, 100).with_pixel_ratio(2);
    let error = figure.to_png(Theme::Light, huge).unwrap_err();
    assert!(error.to_string().contains("16384 pixels"), "{error}");
}
