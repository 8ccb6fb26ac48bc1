//! Pages in a real browser. `.ci/run` installs Chromium and runs these tests; by hand:
//! `cargo test -p bench-charts --test browser -- --ignored`

#![allow(clippy::unwrap_used)]

mod devtools;
mod make;

use std::fs;

use bench_charts::{Caption, Figure, figures, html};
use serde_json::{Value, json};

use devtools::{Browser, url};

/// A page in a browser, drawn to its end.
struct Shown {
    browser: Browser,
    url: String,
    _dir: tempfile::TempDir,
}

impl Shown {
    fn new(page: &str) -> Shown {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("page.html");
        fs::write(&file, page).unwrap();
        let mut browser = Browser::start();
        browser.open(&file);
        let mut shown = Shown {
            browser,
            url: url(&file),
            _dir: dir,
        };
        shown.wait_until_drawn();
        shown
    }

    fn wait_until_drawn(&mut self) {
        self.browser
            .wait_for("document.querySelector('main').getAttribute('aria-busy') === 'false'");
    }

    fn eval(&mut self, expression: &str) -> Value {
        self.browser.eval(expression)
    }

    fn count(&mut self, selector: &str) -> u64 {
        let count = self.eval(&format!("document.querySelectorAll({selector:?}).length"));
        count.as_u64().unwrap()
    }

    fn click(&mut self, selector: &str) {
        self.eval(&format!("document.querySelector({selector:?}).click()"));
        self.wait_until_drawn();
    }

    /// Every panel has a chart, and every trace of it has left something to see.
    fn assert_all_drawn(&mut self, panels: usize) {
        assert_eq!(self.count(".plot"), panels as u64);
        assert_eq!(self.count(".js-plotly-plot"), panels as u64);
        let bare = self.eval(
            "[...document.querySelectorAll('.js-plotly-plot')].flatMap((plot) => {
                const drawn = [...plot.querySelectorAll('.scatterlayer .trace, .heatmaplayer .hm')];
                const seen = drawn.filter((trace) => trace.querySelector(
                    'path[d]:not([d=\"\"]), image, text'));
                const rules = plot.querySelectorAll('.shapelayer path').length;
                const complete = seen.length === plot.data.length
                    && rules === (plot.layout.shapes ?? []).length
                    && seen.length + rules > 0;
                return complete ? [] : [`${plot.id}: ${seen.length} of ${plot.data.length}`];
            })",
        );
        assert_eq!(bare, json!([]));
    }

    /// Nothing went wrong and nothing was fetched but the page itself.
    fn assert_quiet(&mut self) {
        // Whatever was still on its way is here once this is answered.
        self.eval("new Promise((done) => requestAnimationFrame(() => done(true)))");
        let mut requests = Vec::new();
        for event in self.browser.events() {
            let parameters = &event["params"];
            match event["method"].as_str().unwrap_or_default() {
                "Network.requestWillBeSent" => {
                    let url = parameters["request"]["url"].as_str().unwrap().to_owned();
                    requests.push(url);
                }
                "Runtime.exceptionThrown" | "Page.javascriptDialogOpening" => panic!("{event}"),
                "Runtime.consoleAPICalled" => panic!("the console says: {event}"),
                "Log.entryAdded" => panic!("the log says: {event}"),
                _ => {}
            }
        }
        // Parts of the page itself have URLs too.
        requests.retain(|url| !url.starts_with("data:") && !url.starts_with("blob:"));
        assert_eq!(requests, std::slice::from_ref(&self.url));
    }
}

fn panels<E>(figures: &[Result<Figure, E>]) -> usize {
    let drawn = figures.iter().flatten();
    drawn.map(|figure| figure.panels.len()).sum()
}

#[test]
#[ignore = "needs Chromium: apt-get install chromium, or set CHROMIUM to the program"]
fn every_kind_of_mark_on_every_scale_is_drawn() {
    let figures: Vec<_> = make::gallery().into_iter().map(Ok).collect();
    let panels = panels(&figures);
    let page = html::page("Gallery", Caption::default(), figures).unwrap();
    let mut shown = Shown::new(&page);
    shown.assert_all_drawn(panels);
    shown.assert_quiet();
}

#[test]
#[ignore = "needs Chromium: apt-get install chromium, or set CHROMIUM to the program"]
fn the_report_of_a_run_is_drawn() {
    let runs = [make::run(16, 1)];
    let figures = figures::all(&runs);
    let panels = panels(&figures);
    assert!(panels > 0);
    let mut shown = Shown::new(&html::report(&runs, figures).unwrap());
    shown.assert_all_drawn(panels);
    shown.assert_quiet();
}

#[test]
#[ignore = "needs Chromium: apt-get install chromium, or set CHROMIUM to the program"]
fn the_theme_is_that_of_the_system_until_the_button_is_pressed() {
    let runs = [make::run(16, 1)];
    let page = html::report(&runs, figures::all(&runs)).unwrap();
    let mut shown = Shown::new(&page);
    let ground = "getComputedStyle(document.body).backgroundColor + ' ' \
                  + document.querySelector('.js-plotly-plot').layout.paper_bgcolor";
    let light = shown.eval(ground);
    shown.browser.prefer_color_scheme("dark");
    shown
        .browser
        .wait_for("document.documentElement.dataset.theme === 'dark'");
    shown.wait_until_drawn();
    let dark = shown.eval(ground);
    assert_ne!(light, dark);
    shown.click("#theme");
    assert_eq!(shown.eval(ground), light);
    shown.click("#theme");
    assert_eq!(shown.eval(ground), dark);
    shown.assert_quiet();
}

/// What there is to see of the runs: rows of the table, and points of all charts.
const SEEN: &str = "({
    rows: [...document.querySelectorAll('tr[data-tags]')].filter((row) => !row.hidden).length,
    traces: [...document.querySelectorAll('.js-plotly-plot')]
        .reduce((sum, plot) => sum + plot.data.length, 0),
    points: document.querySelectorAll('.scatterlayer .point').length,
})";

/// The throughputs in each trace between the speed of one user and throughput, rising.
const FRONTIERS: &str = "document.querySelector('[id$=-pareto-0]').data.map(
    (trace) => [...trace.y].sort((one, two) => one - two))";

#[test]
#[ignore = "needs Chromium: apt-get install chromium, or set CHROMIUM to the program"]
fn filters_of_the_dashboard_hide_runs_and_show_them_again() {
    let runs = make::sweep();
    let mut figures = figures::of_runs(&runs);
    figures.push(Ok(make::frontiers(&runs)));
    let panels = panels(&figures);
    let mut shown = Shown::new(&html::dashboard(&runs, figures).unwrap());
    shown.assert_all_drawn(panels);
    let all = shown.eval(SEEN);
    assert_eq!(all["rows"], runs.len());
    // Of each model: the frontier, the points, the one that misses an objective, the words.
    assert_eq!(shown.eval(FRONTIERS).as_array().unwrap().len(), 2 * 4);

    // A model is series of its own.
    let model = "input[data-filter=model]";
    shown.click(model);
    let some = shown.eval(SEEN);
    assert_eq!(some["rows"], runs.len() / 2);
    assert!(
        some["traces"].as_u64() < all["traces"].as_u64(),
        "{some} {all}"
    );
    // Nothing of the other model is left between speed and throughput.
    let all_loads = [10, 40, 160, 640, 2560];
    let left = json!([all_loads, all_loads[..4], all_loads[4..], all_loads]);
    assert_eq!(shown.eval(FRONTIERS), left);
    shown.click(model);
    assert_eq!(shown.eval(SEEN), all);

    // A concurrency is a place on the x axis.
    let concurrency = "input[data-filter=concurrency]";
    shown.click(concurrency);
    let some = shown.eval(SEEN);
    assert_eq!(some["rows"], runs.len() - 2);
    assert!(
        some["points"].as_u64() < all["points"].as_u64(),
        "{some} {all}"
    );
    let note = shown.eval("document.getElementById('shown').textContent");
    assert_eq!(
        note,
        json!(format!("{} of {} runs shown", runs.len() - 2, runs.len()))
    );
    shown.click("#filters button[type=reset]");
    shown
        .browser
        .wait_for("document.querySelectorAll('tr[hidden]').length === 0");
    shown.wait_until_drawn();
    assert_eq!(shown.eval(SEEN), all);
    shown.assert_quiet();
}

#[test]
#[ignore = "needs Chromium: apt-get install chromium, or set CHROMIUM to the program"]
fn the_table_of_runs_is_sorted_by_a_click_on_a_heading() {
    let runs = make::sweep();
    let mut shown = Shown::new(&html::report(&runs, figures::all(&runs)).unwrap());
    let heading = "[...document.querySelectorAll('#runs ~ * th button')]
        .find((button) => button.textContent.includes('concurrency'))";
    let column = format!(
        "(() => {{
            const heading = {heading}.closest('th');
            const rows = [...heading.closest('table').tBodies[0].rows];
            return rows.map((row) => Number(row.cells[heading.cellIndex].dataset.value));
        }})()"
    );
    let loads = |order: &[u64]| -> Value { order.iter().flat_map(|load| [*load, *load]).collect() };
    shown.eval(&format!("{heading}.click()"));
    assert_eq!(shown.eval(&column), loads(&make::LOADS));
    shown.eval(&format!("{heading}.click()"));
    let mut falling = make::LOADS;
    falling.reverse();
    assert_eq!(shown.eval(&column), loads(&falling));
    shown.assert_quiet();
}

#[test]
#[ignore = "needs Chromium: apt-get install chromium, or set CHROMIUM to the program"]
fn names_are_shown_literally_and_do_nothing() {
    let mut run = make::run(4, 3);
    run.model_id = Some(make::HOSTILE.to_owned());
    run.label = Some(make::HOSTILE.to_owned());
    for request in &mut run.requests {
        request.success = false;
        request.error = Some(make::HOSTILE.to_owned());
    }
    let runs = [run, make::run(8, 4)];
    let mut shown = Shown::new(&html::dashboard(&runs, figures::of_runs(&runs)).unwrap());
    let cells = shown.eval("[...document.querySelectorAll('td')].map((cell) => cell.textContent)");
    assert!(cells.as_array().unwrap().contains(&json!(make::HOSTILE)));
    let legend = shown.eval(
        "[...document.querySelectorAll('.legendtext')].map((name) => name.textContent).join()",
    );
    let shown_name = make::HOSTILE.rsplit('/').next().unwrap();
    assert!(legend.as_str().unwrap().contains(shown_name), "{legend}");
    assert_eq!(shown.count("img, a[href^='javascript']"), 0);
    shown.assert_quiet();

    let alone = &runs[..1];
    let mut shown = Shown::new(&html::report(alone, figures::all(alone)).unwrap());
    assert_eq!(shown.count("img, a[href^='javascript']"), 0);
    shown.assert_quiet();
}
