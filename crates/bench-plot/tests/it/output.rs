use std::fs;

use tempfile::tempdir;

use crate::make::sweep;
use crate::{bench_plot, files, png};

#[test]
fn size_scale_and_theme_are_those_asked_for() {
    let dir = tempdir().unwrap();
    sweep(dir.path());
    let size = ["sweep", "results", "--size", "900x800", "--scale", "1"];
    assert_eq!(bench_plot(dir.path(), &size).code, Some(0));
    let light = png(&dir.path().join("plots/sweep.png"));
    assert_eq!(light, (900, 800, [255, 255, 255]));
    let dark = [&size[..], &["--theme", "dark", "--overwrite"]].concat();
    assert_eq!(bench_plot(dir.path(), &dark).code, Some(0));
    assert_eq!(png(&dir.path().join("plots/sweep.png")).2, [20, 22, 26]);
}

#[test]
fn nothing_is_replaced_unless_that_is_asked_for() {
    let dir = tempdir().unwrap();
    sweep(dir.path());
    let plots = dir.path().join("plots");
    fs::create_dir(&plots).unwrap();
    fs::write(plots.join("throughput.png"), "mine").unwrap();
    let both = [
        "results",
        "--throughput",
        "--latency",
        "--size",
        "500x900",
        "--scale",
        "1",
    ];
    let done = bench_plot(dir.path(), &both);
    assert_eq!(done.code, Some(2));
    let expected = std::path::Path::new("plots").join("throughput.png");
    let expected = format!("error: {} exists", expected.display());
    assert!(
        done.err.contains(&expected) && done.err.contains("--overwrite"),
        "{}",
        done.err
    );
    assert_eq!(files(&plots), ["throughput.png"]);
    assert_eq!(fs::read(plots.join("throughput.png")).unwrap(), b"mine");

    let done = bench_plot(dir.path(), &[&both[..], &["--overwrite"]].concat());
    assert_eq!(done.code, Some(0), "{}", done.err);
    assert_eq!(files(&plots), ["latency.png", "throughput.png"]);
    assert_eq!(png(&plots.join("throughput.png")).0, 500);
}

#[test]
fn the_same_results_give_the_same_pictures() {
    let dir = tempdir().unwrap();
    sweep(dir.path());
    for out in ["one", "two"] {
        let arguments = [
            "sweep", "results", "--format", "both", "--scale", "1", "--output", out,
        ];
        assert_eq!(bench_plot(dir.path(), &arguments).code, Some(0));
    }
    for name in ["sweep.png", "sweep.svg"] {
        let read = |out: &str| fs::read(dir.path().join(out).join(name)).unwrap();
        assert!(read("one") == read("two"), "{name}");
    }
}
