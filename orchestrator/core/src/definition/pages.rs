//! A page for every diagnostic code: what it means, why it is so, a wrong example and a right one.
//!
//! Why here: the command line and the API show the same pages, and `tests/pages.rs` runs their examples, so that none can say
//! what the checks do not. **It must never know** how a page is shown.

/// The page of one code. Markdown: a title, words, and one example each under `## Wrong` and `## Right`; where
/// a service's own document decides, that under `## Document` before them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    pub code: &'static str,
    pub text: &'static str,
}

impl Page {
    /// What the code means, in one line.
    pub fn title(&self) -> &'static str {
        self.text.lines().next().unwrap_or_default().trim_start_matches("# ")
    }

    /// The OpenAPI document of the service `payments` by which it is said; empty where none is needed.
    pub fn document(&self) -> &'static str {
        self.example("## Document")
    }

    /// A definition of which this code is said.
    pub fn wrong(&self) -> &'static str {
        self.example("## Wrong")
    }

    /// The same, mended.
    pub fn right(&self) -> &'static str {
        self.example("## Right")
    }

    /// The definition of the child that both run, if the code is about children.
    pub fn child(&self) -> Option<&'static str> {
        Some(self.example("## Child")).filter(|example| !example.is_empty())
    }

    fn example(&self, heading: &str) -> &'static str {
        let section = self.text.split_once(heading).map_or("", |(_, section)| section);
        let section = section.split("\n## ").next().unwrap_or_default();
        let fenced = section.split_once("```yaml\n").and_then(|(_, rest)| rest.split_once("```"));
        fenced.map_or("", |(example, _)| example)
    }
}

/// Every page, by code.
pub fn pages() -> &'static [Page] {
    &PAGES
}

/// The page of a code, in whatever case it is written.
pub fn explain(code: &str) -> Option<&'static Page> {
    PAGES.iter().find(|page| page.code.eq_ignore_ascii_case(code))
}

static PAGES: [Page; 69] = [
    Page { code: "E0101", text: include_str!("pages/E0101.md") },
    Page { code: "E0102", text: include_str!("pages/E0102.md") },
    Page { code: "E0103", text: include_str!("pages/E0103.md") },
    Page { code: "E0201", text: include_str!("pages/E0201.md") },
    Page { code: "E0202", text: include_str!("pages/E0202.md") },
    Page { code: "E0203", text: include_str!("pages/E0203.md") },
    Page { code: "E0204", text: include_str!("pages/E0204.md") },
    Page { code: "E0205", text: include_str!("pages/E0205.md") },
    Page { code: "E0206", text: include_str!("pages/E0206.md") },
    Page { code: "E0207", text: include_str!("pages/E0207.md") },
    Page { code: "E0209", text: include_str!("pages/E0209.md") },
    Page { code: "E0301", text: include_str!("pages/E0301.md") },
    Page { code: "E0302", text: include_str!("pages/E0302.md") },
    Page { code: "E0303", text: include_str!("pages/E0303.md") },
    Page { code: "E0304", text: include_str!("pages/E0304.md") },
    Page { code: "E0305", text: include_str!("pages/E0305.md") },
    Page { code: "E0306", text: include_str!("pages/E0306.md") },
    Page { code: "E0307", text: include_str!("pages/E0307.md") },
    Page { code: "E0308", text: include_str!("pages/E0308.md") },
    Page { code: "E0309", text: include_str!("pages/E0309.md") },
    Page { code: "E0310", text: include_str!("pages/E0310.md") },
    Page { code: "E0311", text: include_str!("pages/E0311.md") },
    Page { code: "E0312", text: include_str!("pages/E0312.md") },
    Page { code: "E0313", text: include_str!("pages/E0313.md") },
    Page { code: "E0314", text: include_str!("pages/E0314.md") },
    Page { code: "E0315", text: include_str!("pages/E0315.md") },
    Page { code: "E0316", text: include_str!("pages/E0316.md") },
    Page { code: "E0317", text: include_str!("pages/E0317.md") },
    Page { code: "E0318", text: include_str!("pages/E0318.md") },
    Page { code: "E0319", text: include_str!("pages/E0319.md") },
    Page { code: "E0320", text: include_str!("pages/E0320.md") },
    Page { code: "E0321", text: include_str!("pages/E0321.md") },
    Page { code: "E0322", text: include_str!("pages/E0322.md") },
    Page { code: "E0323", text: include_str!("pages/E0323.md") },
    Page { code: "E0401", text: include_str!("pages/E0401.md") },
    Page { code: "E0402", text: include_str!("pages/E0402.md") },
    Page { code: "E0403", text: include_str!("pages/E0403.md") },
    Page { code: "E0404", text: include_str!("pages/E0404.md") },
    Page { code: "E0405", text: include_str!("pages/E0405.md") },
    Page { code: "E0406", text: include_str!("pages/E0406.md") },
    Page { code: "E0407", text: include_str!("pages/E0407.md") },
    Page { code: "E0409", text: include_str!("pages/E0409.md") },
    Page { code: "E0701", text: include_str!("pages/E0701.md") },
    Page { code: "E0702", text: include_str!("pages/E0702.md") },
    Page { code: "E0703", text: include_str!("pages/E0703.md") },
    Page { code: "E0704", text: include_str!("pages/E0704.md") },
    Page { code: "E0705", text: include_str!("pages/E0705.md") },
    Page { code: "E0706", text: include_str!("pages/E0706.md") },
    Page { code: "E0707", text: include_str!("pages/E0707.md") },
    Page { code: "E0708", text: include_str!("pages/E0708.md") },
    Page { code: "W0501", text: include_str!("pages/W0501.md") },
    Page { code: "W0502", text: include_str!("pages/W0502.md") },
    Page { code: "W0503", text: include_str!("pages/W0503.md") },
    Page { code: "W0504", text: include_str!("pages/W0504.md") },
    Page { code: "W0601", text: include_str!("pages/W0601.md") },
    Page { code: "W0602", text: include_str!("pages/W0602.md") },
    Page { code: "W0603", text: include_str!("pages/W0603.md") },
    Page { code: "W0604", text: include_str!("pages/W0604.md") },
    Page { code: "W0605", text: include_str!("pages/W0605.md") },
    Page { code: "W0606", text: include_str!("pages/W0606.md") },
    Page { code: "W0607", text: include_str!("pages/W0607.md") },
    Page { code: "W0608", text: include_str!("pages/W0608.md") },
    Page { code: "W0609", text: include_str!("pages/W0609.md") },
    Page { code: "W0610", text: include_str!("pages/W0610.md") },
    Page { code: "W0611", text: include_str!("pages/W0611.md") },
    Page { code: "W0612", text: include_str!("pages/W0612.md") },
    Page { code: "W0620", text: include_str!("pages/W0620.md") },
    Page { code: "W0701", text: include_str!("pages/W0701.md") },
    Page { code: "W0702", text: include_str!("pages/W0702.md") },
];
