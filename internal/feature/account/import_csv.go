package account

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"parley/internal/address"
)

// table reads the rows of a CSV file.
type table struct {
	csv     *csv.Reader
	limit   *rowLimit
	columns []string
	rows    int
	line    int // of the last row that could be read
}

// row is what a line says, or why it says nothing.
type row struct {
	Row
	password string
	ha1      map[Kind][]byte // not sealed yet
	refusal  *Refusal
}

func newTable(r io.Reader) (*table, error) {
	limit := &rowLimit{r: r, left: maxRow}
	text := bufio.NewReader(limit)
	if mark, err := text.Peek(3); err == nil && bytes.Equal(mark, []byte("\ufeff")) {
		_, _ = text.Discard(3) // as spreadsheets write it; it was peeked
	}
	t := &table{csv: csv.NewReader(text), limit: limit, line: 1}
	t.csv.FieldsPerRecord = -1
	t.csv.ReuseRecord = true
	header, err := t.csv.Read()
	if errors.Is(err, io.EOF) {
		return nil, errors.New("the file is empty: its first line names the columns")
	}
	if err != nil {
		return nil, err
	}
	t.columns = slices.Clone(header)
	return t, checkColumns(t.columns)
}

func checkColumns(columns []string) error {
	known := append(keyNames(), "address", "password", "strangers")
	for i, c := range columns {
		if !slices.Contains(known, c) {
			return fmt.Errorf("line 1: there is no column %.100q; the columns are %s", c, strings.Join(known, ", "))
		}
		if slices.Contains(columns[:i], c) {
			return fmt.Errorf("line 1: column %s is there twice", c)
		}
	}
	if !slices.Contains(columns, "address") {
		return errors.New("line 1: there is no column address")
	}
	return nil
}

func keyNames() (names []string) {
	for k := range kinds {
		names = append(names, k.String())
	}
	return names
}

// next reads a row; an error is about the file as a whole.
func (t *table) next(serves func(string) bool) (row, error) {
	t.limit.left = maxRow
	record, err := t.csv.Read()
	if bad, ok := errors.AsType[*csv.ParseError](err); ok {
		t.rows++
		return row{refusal: &Refusal{bad.StartLine, "", "not CSV: " + bad.Err.Error()}}, nil
	}
	if errors.Is(err, io.EOF) {
		return row{}, err
	}
	if err != nil {
		return row{}, fmt.Errorf("after line %d: %w", t.line, err)
	}
	t.rows++
	line, _ := t.csv.FieldPos(0)
	t.line = line
	r, err := t.parse(record, serves)
	if err != nil {
		r.refusal = &Refusal{line, t.named(record), strings.TrimPrefix(strings.TrimPrefix(err.Error(), "address: "), "account: ")}
	}
	r.Line = line
	return r, nil
}

// named is the address as the row has it.
func (t *table) named(record []string) string {
	i := slices.Index(t.columns, "address")
	if i >= len(record) {
		return ""
	}
	return strings.ToValidUTF8(record[i][:min(len(record[i]), 100)], "?")
}

func (t *table) parse(record []string, serves func(string) bool) (r row, err error) {
	if len(record) != len(t.columns) {
		return r, fmt.Errorf("has %d fields, not %d", len(record), len(t.columns))
	}
	r.ha1 = map[Kind][]byte{}
	for i, column := range t.columns {
		if err := r.set(column, record[i]); err != nil {
			return r, err
		}
	}
	keys := len(r.ha1)
	for kind := range kinds {
		if r.Keys[kind] != nil {
			keys++
		}
	}
	switch {
	case !serves(r.Address.Domain):
		return r, fmt.Errorf("%s is not a domain of this server", r.Address.Domain)
	case r.password == "" && keys == 0:
		return r, errors.New("has neither a password nor a key")
	case r.password != "" && keys > 0:
		return r, errors.New("has a password and keys: which of them counts?")
	}
	return r, nil
}

// set takes one field of a row.
func (r *row) set(column, text string) (err error) {
	switch column {
	case "address":
		r.Address, err = address.Parse(text)
		return err
	case "strangers":
		r.Strangers, err = parseBool(text)
		return err
	}
	if text == "" {
		return nil
	}
	if column == "password" {
		r.password = text
		_, err := prepare(text)
		return err
	}
	kind := Kind(slices.Index(keyNames(), column))
	if err := r.setKey(kind, text); err != nil {
		return fmt.Errorf("%s: %w", column, err)
	}
	return nil
}

func (r *row) setKey(kind Kind, text string) error {
	if kind.isSCRAM() {
		key, err := ParseSCRAM(kind, text)
		if err != nil {
			return err
		}
		r.Keys[kind] = []byte(formatSCRAM(key))
		return nil
	}
	raw, err := hex.DecodeString(text)
	if size := kind.hash()().Size(); err != nil || len(raw) != size {
		return fmt.Errorf("not %d hexadecimal digits", 2*size)
	}
	r.ha1[kind] = raw
	return nil
}

func parseBool(text string) (bool, error) {
	switch strings.ToLower(text) {
	case "true", "yes", "1":
		return true, nil
	case "", "false", "no", "0":
		return false, nil
	}
	return false, errors.New("strangers: neither true nor false")
}

// rowLimit stops a row that has no end, as one with an open quote.
type rowLimit struct {
	r    io.Reader
	left int
}

func (l *rowLimit) Read(b []byte) (int, error) {
	if l.left <= 0 {
		return 0, fmt.Errorf("a row is longer than %d bytes: is a quote open?", maxRow)
	}
	n, err := l.r.Read(b[:min(len(b), l.left)])
	l.left -= n
	return n, err
}
