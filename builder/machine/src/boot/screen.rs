//! A terminal emulator for consoles of firmware, kernels and init: cursor and screen. Control sequences of ECMA-48;
//! colours are ignored.

/// Number of columns, wide enough for a line of a kernel.
const COLUMNS: usize = 240;
/// Number of rows.
const ROWS: usize = 50;

/// The screen.
#[derive(Debug)]
pub(super) struct Screen {
    rows: Vec<Vec<char>>,
    row: usize,
    column: usize,
}

impl Default for Screen {
    fn default() -> Self {
        Self { rows: vec![Vec::new(); ROWS], row: 0, column: 0 }
    }
}

impl Screen {
    /// Its lines without trailing spaces and without empty lines at the start and the end.
    pub(super) fn lines(&self) -> Vec<String> {
        let text = |row: &Vec<char>| row.iter().collect::<String>().trim_end().to_owned();
        let mut lines: Vec<_> = self.rows.iter().map(text).collect();
        while lines.last().is_some_and(String::is_empty) {
            lines.pop();
        }
        let first = lines.iter().position(|line| !line.is_empty()).unwrap_or(lines.len());
        lines.split_off(first)
    }

    /// Writes a character at the cursor.
    pub(super) fn put(&mut self, character: char) {
        match character {
            '\r' => self.column = 0,
            '\n' => self.feed(),
            '\u{8}' => self.column = self.column.saturating_sub(1),
            '\t' => self.column = ((self.column / 8 + 1) * 8).min(COLUMNS - 1),
            control if control.is_control() => {}
            character => {
                if self.column >= COLUMNS {
                    self.column = 0;
                    self.feed();
                }
                let (row, column) = (self.row, self.column);
                if let Some(cells) = self.rows.get_mut(row) {
                    if cells.len() <= column {
                        cells.resize(column + 1, ' ');
                    }
                    cells[column] = character;
                }
                self.column += 1;
            }
        }
    }

    /// Executes a control sequence: its parameters and its final character.
    pub(super) fn control(&mut self, numbers: &[usize], last: char) {
        let number = |index: usize, default: usize| match numbers.get(index) {
            None | Some(0) => default,
            Some(&number) => number,
        };
        match last {
            'H' | 'f' => {
                self.row = (number(0, 1) - 1).min(ROWS - 1);
                self.column = (number(1, 1) - 1).min(COLUMNS - 1);
            }
            'A' => self.row = self.row.saturating_sub(number(0, 1)),
            'B' => self.row = self.row.saturating_add(number(0, 1)).min(ROWS - 1),
            'C' => self.column = self.column.saturating_add(number(0, 1)).min(COLUMNS - 1),
            'D' => self.column = self.column.saturating_sub(number(0, 1)),
            'G' => self.column = (number(0, 1) - 1).min(COLUMNS - 1),
            'J' => self.erase_screen(number(0, 0)),
            'K' => self.erase_line(number(0, 0)),
            _ => {}
        }
    }

    fn feed(&mut self) {
        if self.row + 1 < ROWS {
            self.row += 1;
        } else {
            self.rows.rotate_left(1);
            if let Some(last) = self.rows.last_mut() {
                last.clear();
            }
        }
    }

    fn erase_screen(&mut self, what: usize) {
        let (row, from, to) = match what {
            0 => (self.row, self.row + 1, ROWS),
            1 => (self.row, 0, self.row),
            _ => (ROWS, 0, ROWS),
        };
        self.rows.iter_mut().take(to).skip(from).for_each(Vec::clear);
        if row < ROWS {
            self.erase_line(what);
        }
    }

    fn erase_line(&mut self, what: usize) {
        let column = self.column;
        let Some(cells) = self.rows.get_mut(self.row) else { return };
        match what {
            0 => cells.truncate(column),
            1 => cells.iter_mut().take(column + 1).for_each(|cell| *cell = ' '),
            _ => cells.clear(),
        }
    }
}
