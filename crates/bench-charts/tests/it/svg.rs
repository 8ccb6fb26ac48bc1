use bench_charts::{ErrorBar, Figure, Ink, Marks, Point, Size, Theme};

use super::samples;

fn svg(figure: &Figure, size: Size) -> String {
    figure.to_svg(Theme::Light, size).unwrap()
}

/// The part of a document that shows the n-th layer of a kind.
fn layer<'s>(svg: &'s str, kind: &str, n: usize) -> &'s str {
    let start = format!("<g class=\"layer {kind}\">");
    let part = svg.split(start.as_str()).nth(n + 1).unwrap();
    part.split("</g>").next().unwrap()
}

fn count(part: &str, tag: &str) -> usize {
    part.matches(&format!("<{tag} ")).count()
}

#[test]
fn each_mark_is_an_element() {
    let size = Size::default();
    let points = svg(&samples::points(), size);
    for n in 0..2 {
        assert_eq!(count(layer(&points, "points", n), "circle"), 300);
    }
    assert_eq!(count(layer(&points, "points", 2), "circle"), 3);
    let bars = svg(&samples::bars(), size);
    let visible = count(layer(&bars, "bars", 0), "rect");
    assert!((30..=40).contains(&visible), "{visible}");
    assert_eq!(
        count(layer(&svg(&samples::spans(), size), "spans", 1), "rect"),
        40
    );
    let lines = svg(&samples::lines(), size);
    assert_eq!(count(layer(&lines, "line", 0), "polyline"), 1);
    assert!(count(layer(&lines, "line", 7), "polyline") > 20, "dashes");
    let steps = svg(&samples::steps(), size);
    assert_eq!(count(layer(&steps, "steps", 0), "polyline"), 1);
    let whiskers = svg(&samples::error_bars(), size);
    assert_eq!(count(layer(&whiskers, "error-bars", 0), "polyline"), 9);
    let figure = samples::heat();
    let Marks::Heat(heat) = &figure.panels[0].layers[0].marks else {
        panic!("a heat map")
    };
    let cells = heat.values.iter().filter(|value| value.is_finite()).count();
    let heat = svg(&figure, size);
    assert_eq!(count(layer(&heat, "heat", 0), "rect"), cells);
}

#[test]
fn foreign_names_stay_text() {
    let mut figure = samples::lines();
    figure.title = "<script>alert('a' & \"b\")</script>\u{1}".to_owned();
    figure.panels[0].layers[0].name = Some("</title><script>x</script>".to_owned());
    let svg = svg(&figure, Size::default());
    assert!(!svg.contains("<script"), "markup came through");
    assert!(!svg.contains('\u{1}'));
    assert!(svg.contains("&lt;script&gt;alert("));
}

#[test]
fn nothing_is_fetched() {
    let svg = svg(&samples::panels(), Size::default());
    let links = svg.matches("url(").count();
    assert_eq!(links, 2, "the two fonts");
    assert_eq!(svg.matches("url(data:font/otf;base64,").count(), links);
    assert!(!svg.contains("href"));
}

#[test]
fn what_is_not_drawn_is_counted_in_the_footer() {
    let mut figure = samples::points();
    let broken = [(f64::NAN, 1.0), (1.0, f64::INFINITY), (1.0, 0.0)];
    figure.panels[0].layers.push(samples::layer(
        "broken",
        Ink::Bad,
        Marks::Points(broken.map(|(x, y)| Point::at(x, y)).to_vec()),
    ));
    let svg = svg(&figure, Size::default());
    assert_eq!(count(layer(&svg, "points", 3), "circle"), 0);
    assert!(svg.contains("2 marks not drawn: not a finite number"));
    assert!(svg.contains("1 mark not drawn: not above 0, on a logarithmic axis"));
    let whole = self::svg(&samples::points(), Size::default());
    assert!(!whole.contains("not drawn"));
}

#[test]
fn an_error_bar_that_reaches_below_0_begins_at_the_foot_of_a_log_axis() {
    let mut figure = samples::points();
    let bar = |x, low, high| ErrorBar { x, low, high };
    let bars = vec![bar(10.0, 30.0, 90.0), bar(20.0, -5.0, 300.0)];
    let bars = samples::layer("mean", Ink::Good, Marks::ErrorBars(bars));
    figure.panels[0].layers.push(bars);
    let svg = svg(&figure, Size::default());
    // A line and two caps, and a line with the upper cap.
    let drawn = layer(&svg, "error-bars", 0);
    assert_eq!(count(drawn, "polyline"), 3 + 2);
    assert!(!svg.contains("not drawn"));
}

/// A box that a text covers: left, top, right, bottom.
type Cover = (f64, f64, f64, f64);

/// Where the texts of a document stand, by their own word for their width.
fn covers(svg: &str) -> Vec<(String, Cover)> {
    let texts = svg.lines().filter(|line| line.starts_with("<text "));
    texts
        .map(|line| {
            let attribute = |name: &str| {
                let from = line.split(&format!(" {name}=\"")).nth(1).unwrap();
                from.split('"').next().unwrap()
            };
            let number = |name: &str| attribute(name).parse::<f64>().unwrap() / 10.0;
            let (x, y) = (number("x"), number("y"));
            let (width, size) = (number("textLength"), number("font-size"));
            let back = match attribute("text-anchor") {
                "start" => 0.0,
                "middle" => width / 2.0,
                _ => width,
            };
            // Letters reach from their base line up 0.73 em; few reach below it.
            let cover = match line.contains("rotate(270") {
                false => (x - back, y + 0.03 * size, x - back + width, y + 0.76 * size),
                true => (x + 0.03 * size, y + back - width, x + 0.76 * size, y + back),
            };
            let text = line.split('>').nth(1).unwrap();
            (text.trim_end_matches("</text").to_owned(), cover)
        })
        .collect()
}

fn check_texts(figure: &Figure, size: Size) {
    let covers = covers(&svg(figure, size));
    assert!(covers.len() > 8);
    let (width, height) = (f64::from(size.width), f64::from(size.height));
    for (text, (left, top, right, bottom)) in &covers {
        let inside = *left >= 0.0 && *top >= 0.0 && *right <= width && *bottom <= height;
        assert!(inside, "{}: {text:?} runs out of {size:?}", figure.id);
    }
    for (i, (one, a)) in covers.iter().enumerate() {
        for (other, b) in &covers[..i] {
            let apart = a.2 <= b.0 || b.2 <= a.0 || a.3 <= b.1 || b.3 <= a.1;
            assert!(
                apart,
                "{}: {one:?} lies on {other:?} at {size:?}",
                figure.id
            );
        }
    }
}

#[test]
fn texts_neither_overlap_nor_run_out_of_the_picture() {
    for figure in samples::all() {
        check_texts(&figure, Size::of(&figure));
        check_texts(&figure, Size::new(2000, 1200));
    }
    for figure in [samples::bars(), samples::points(), samples::error_bars()] {
        check_texts(&figure, Size::new(360, 360));
    }
}

#[test]
fn long_names_are_shortened_in_the_middle() {
    let long = "organisation/".to_owned() + &"a-very-long-model-name-".repeat(12) + "AWQ";
    let mut figure = samples::error_bars();
    figure.title = format!("Throughput of {long}");
    figure.subtitle = format!("{long} · concurrency 32");
    figure.footer = vec![long.clone(), format!("see {long}")];
    let panel = &mut figure.panels[0];
    panel.title = Some(long.clone());
    panel.y.name = long.clone();
    panel.x.scale = bench_charts::Scale::Category((0..30).map(|i| format!("{i} {long}")).collect());
    for layer in &mut panel.layers {
        layer.name = Some(long.clone());
    }
    for size in [Size::default(), Size::new(800, 600)] {
        check_texts(&figure, size);
    }
    let svg = svg(&figure, Size::default());
    let names = covers(&svg);
    let short = names.iter().find(|(text, _)| text.starts_with("7 org"));
    let (short, _) = short.unwrap();
    assert!(short.contains('…') && short.ends_with("AWQ"), "{short}");
}
