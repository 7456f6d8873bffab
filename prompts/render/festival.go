package main

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// performance: each take becomes a sound, and a line for every token with
// where it begins and ends, in seconds, and whether a pause is before and
// behind it.
const performance = `
(define (silent seg) (or (not seg) (string-equal "pau" (item.name seg))))
(define (first-seg word) (item.relation (item.daughter1 (item.daughter1 (item.relation word 'SylStructure))) 'Segment))
(define (last-seg word) (item.relation (item.daughtern (item.daughtern (item.relation word 'SylStructure))) 'Segment))
(define (sounding words) ; punctuation is a word too, in some languages
  (cond ((null words) nil)
    ((and (item.relation (car words) 'SylStructure) (item.daughter1 (item.relation (car words) 'SylStructure)))
      (cons (car words) (sounding (cdr words))))
    (t (sounding (cdr words)))))
(define (perform text file)
  (let ((utt (eval (list 'Utterance 'Text text))))
    (utt.synth utt)
    (utt.save.wave utt file 'riff)
    (format t "TAKE %s\n" file)
    (mapcar (lambda (token)
      (let ((words (sounding (item.daughters token))))
        (if words
          (let ((from (first-seg (car words))) (to (last-seg (car (last words)))))
            (format t "TOKEN %s %f %f %s %s\n" (item.name token)
              (item.feat (car words) 'word_start) (item.feat (car (last words)) 'word_end)
              (if (silent (item.prev from)) "pause" "word")
              (if (silent (item.next to)) "pause" "word"))))))
      (utt.relation.items utt 'Token))
    (format t "PHONES")
    (mapcar (lambda (seg) (format t " %s" (item.name seg))) (utt.relation.items utt 'Segment))
    (format t "\n")))
`

// token is a word of a take, in seconds.
type token struct {
	from, to              float64
	pauseBefore, pauseEnd bool
}

// perform has festival say all takes and cuts the recordings out of them.
func (v voice) perform(takes []take, show bool) ([]sound, error) {
	folder, err := os.MkdirTemp("", "render")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(folder)
	scheme := new(bytes.Buffer)
	fmt.Fprintf(scheme, "(%s)\n%s\n%s\n", v.Voice, v.Setup, performance)
	for i, t := range takes {
		fmt.Fprintf(scheme, "(perform %q %q)\n", t.said, filepath.Join(folder, strconv.Itoa(i)+".wav"))
	}
	script := filepath.Join(folder, "perform.scm")
	if err := os.WriteFile(script, scheme.Bytes(), 0o600); err != nil {
		return nil, err
	}
	out, err := exec.Command("festival", "-b", script).CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("run festival: %w: %s", err, out)
	}
	reports := strings.Split(string(out), "TAKE ")[1:]
	if len(reports) != len(takes) {
		return nil, fmt.Errorf("festival said %d of %d recordings: %s", len(reports), len(takes), out)
	}
	clips := make([]sound, len(takes))
	for i, t := range takes {
		if clips[i], err = t.cut(reports[i], filepath.Join(folder, strconv.Itoa(i)+".wav"), show); err != nil {
			return nil, fmt.Errorf("%s: %w", t.Name, err)
		}
	}
	return clips, nil
}

// cut reads festival's report of a take and takes the recording out of it.
func (t take) cut(report, file string, show bool) (sound, error) {
	var tokens []token
	phones := ""
	lines := bufio.NewScanner(strings.NewReader(report))
	for lines.Scan() {
		f := strings.Fields(lines.Text())
		switch {
		case len(f) == 6 && f[0] == "TOKEN":
			from, _ := strconv.ParseFloat(f[2], 64) // printed by the lines above
			to, _ := strconv.ParseFloat(f[3], 64)
			tokens = append(tokens, token{from, to, f[4] == "pause", f[5] == "pause"})
		case len(f) > 0 && f[0] == "PHONES":
			phones = strings.Join(f[1:], " ")
		}
	}
	if len(tokens) < t.before+t.tokens || t.tokens == 0 {
		return sound{}, fmt.Errorf("%q came out as %d words", t.said, len(tokens))
	}
	s, err := readPCM(file)
	if err != nil {
		return s, err
	}
	first, last := tokens[t.before], tokens[t.before+t.tokens-1]
	clip := s.cut(first.from, last.to, first.pauseBefore, last.pauseEnd)
	if show {
		fmt.Printf("%-40s %4.0f ms  %s\n    %s\n", t.Name, clip.seconds()*1000, t.said, phones)
	}
	return clip, nil
}
