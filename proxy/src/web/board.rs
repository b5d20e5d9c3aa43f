//! The page that a browser gets: what the console shows, as HTML.

use std::sync::{Arc, OnceLock};

use futures_util::future::BoxFuture;

type Painter = Box<dyn Fn() -> BoxFuture<'static, Vec<Section>> + Send + Sync>;

/// One table of the page.
#[derive(Debug, Clone, Default)]
pub struct Section {
    /// Its heading.
    pub title: String,
    /// Its columns' names.
    pub columns: Vec<String>,
    /// Its rows; an absent value is empty.
    pub rows: Vec<Vec<Option<String>>>,
}

/// Who paints the page; nobody before the fleet is assembled. Cheap to clone; all clones are one.
#[derive(Clone, Default)]
pub struct Board(Arc<OnceLock<Painter>>);

impl Board {
    /// Says who paints from now on; the first to say so stays.
    pub fn paint_with(&self, painter: impl Fn() -> BoxFuture<'static, Vec<Section>> + Send + Sync + 'static) {
        let _ = self.0.set(Box::new(painter));
    }

    /// The page as it is now.
    pub(super) async fn page(&self) -> String {
        let sections = match self.0.get() {
            Some(painter) => painter().await,
            None => Vec::new(),
        };
        let body: String = sections.iter().map(section).collect();
        let body = if body.is_empty() { "<p>pgherd is starting.</p>".to_owned() } else { body };
        format!("{HEAD}{body}{FOOT}")
    }
}

const HEAD: &str = "<!doctype html>
<html lang=\"en\"><head><meta charset=\"utf-8\"><meta http-equiv=\"refresh\" content=\"2\">
<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">
<title>pgherd</title>
<style>
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 72rem; padding: 0 1rem; color: #1b1f24; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.05rem; margin-top: 2rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .3rem .8rem .3rem 0; border-bottom: 1px solid #d8dee4; white-space: nowrap; }
th { font-weight: 600; color: #57606a; }
footer { margin-top: 2rem; color: #57606a; } a { color: #0969da; }
@media (prefers-color-scheme: dark) {
  body { background: #0d1117; color: #e6edf3; } th, footer { color: #8b949e; }
  th, td { border-color: #30363d; } a { color: #58a6ff; }
}
</style></head><body><h1>pgherd</h1>
";

const FOOT: &str =
    "<footer><a href=\"/healthz\">/healthz</a> &middot; <a href=\"/readyz\">/readyz</a> &middot; \
<a href=\"/metrics\">/metrics</a> &middot; renewed every 2 seconds</footer></body></html>
";

fn section(section: &Section) -> String {
    let heads: String = section.columns.iter().map(|name| format!("<th>{}</th>", escaped(name))).collect();
    let rows: String = section.rows.iter().map(|row| format!("<tr>{}</tr>", cells(row))).collect();
    let title = escaped(&section.title);
    match section.rows.is_empty() {
        true => format!("<h2>{title}</h2><p>none</p>"),
        false => format!("<h2>{title}</h2><div class=\"wide\"><table><tr>{heads}</tr>{rows}</table></div>"),
    }
}

fn cells(row: &[Option<String>]) -> String {
    row.iter().map(|value| format!("<td>{}</td>", escaped(value.as_deref().unwrap_or_default()))).collect()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_the_fleet_says_is_shown_and_never_run() {
        let board = Board::default();
        assert!(board.page().await.contains("starting"));
        board.paint_with(|| {
            Box::pin(async {
                let rows = vec![vec![Some("<script>".to_owned()), None]];
                vec![Section { title: "Servers".into(), columns: vec!["name".into(), "node".into()], rows }]
            })
        });
        let page = board.page().await;
        assert!(
            page.contains("<h2>Servers</h2>")
                && page.contains("&lt;script&gt;")
                && !page.contains("<script>")
        );
    }
}
