package main

import (
	"encoding/csv"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// lanes are the figures of a curve, each with a strip of the drawing.
var lanes = []struct {
	name, colour string
	of           func(point) float64
}{
	{"calls", "#1f6feb", func(p point) float64 { return float64(p.Calls) }},
	{"RSS, MB", "#c2410c", func(p point) float64 { return float64(p.RSS) / 1024 }},
	{"goroutines", "#15803d", func(p point) float64 { return float64(p.Goroutines) }},
	{"descriptors", "#7e22ce", func(p point) float64 { return float64(p.FDs) }},
	{"pairs of RTP ports", "#0e7490", func(p point) float64 { return float64(p.Ports) }},
}

// save writes a curve to a file: a table for .csv, a drawing for .svg.
func save(path, title string, curve []point) error {
	draw := map[string]func(io.Writer, string, []point) error{".csv": writeCSV, ".svg": writeSVG}[filepath.Ext(path)]
	if draw == nil {
		return fmt.Errorf("curve %s: the name must end in .csv or .svg", path)
	}
	file, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("curve: %w", err)
	}
	err = draw(file, title, curve)
	if closing := file.Close(); err == nil {
		err = closing
	}
	return err
}

func writeCSV(to io.Writer, _ string, curve []point) error {
	table := csv.NewWriter(to)
	row := []string{"seconds"}
	for _, l := range lanes {
		row = append(row, l.name)
	}
	for _, p := range curve {
		_ = table.Write(row) // the writer keeps its error
		row = []string{strconv.FormatFloat(p.Seconds, 'f', 1, 64)}
		for _, l := range lanes {
			row = append(row, strconv.FormatFloat(l.of(p), 'f', -1, 64))
		}
	}
	_ = table.Write(row)
	table.Flush()
	return table.Error()
}

// The drawing, in its own units.
const (
	chartWidth, laneHeight, laneGap = 760, 84, 30
	chartLeft, chartRight, chartTop = 70, 10, 34
)

// writeSVG draws a strip for each lane, all over the same time, each from 0 to
// its own maximum.
func writeSVG(to io.Writer, title string, curve []point) error {
	end := 1.0
	if n := len(curve); n > 0 {
		end = max(end, curve[n-1].Seconds)
	}
	var b strings.Builder
	height := chartTop + len(lanes)*(laneHeight+laneGap) + 10
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="11">`+"\n", chartWidth, height)
	fmt.Fprintf(&b, `<rect width="%d" height="%d" fill="#fff"/><text x="%d" y="18" font-size="13">%s</text>`+"\n", chartWidth, height, chartLeft, escape(title))
	for i, l := range lanes {
		top := float64(chartTop + i*(laneHeight+laneGap))
		most := 1.0
		for _, p := range curve {
			most = max(most, l.of(p))
		}
		bottom, right := top+laneHeight, float64(chartWidth-chartRight)
		fmt.Fprintf(&b, `<path d="M%d %.0fV%.0fH%.0f" fill="none" stroke="#999"/>`, chartLeft, top, bottom, right)
		fmt.Fprintf(&b, `<text x="%d" y="%.0f" text-anchor="end">%.4g</text><text x="%d" y="%.0f" text-anchor="end">0</text>`, chartLeft-5, top+9, most, chartLeft-5, bottom)
		fmt.Fprintf(&b, `<text x="%d" y="%.0f" fill="%s">%s</text>`, chartLeft+6, top+9, l.colour, escape(l.name))
		fmt.Fprintf(&b, `<text x="%.0f" y="%.0f" text-anchor="end">%s</text>`+"\n", right, bottom+13, duration(end))
		var line []string
		for _, p := range curve {
			line = append(line, fmt.Sprintf("%.1f,%.1f", chartLeft+p.Seconds/end*(right-chartLeft), bottom-l.of(p)/most*laneHeight))
		}
		fmt.Fprintf(&b, `<polyline points="%s" fill="none" stroke="%s" stroke-width="1.4"/>`+"\n", strings.Join(line, " "), l.colour)
	}
	b.WriteString("</svg>\n")
	_, err := io.WriteString(to, b.String())
	return err
}

func duration(seconds float64) string {
	if seconds < 120 {
		return fmt.Sprintf("%.0f s", seconds)
	}
	return fmt.Sprintf("%.0f min", seconds/60)
}

func escape(text string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(text)
}
