package main

import (
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
(define (phones-to from to) (if (equal? from to) 1 (+ 1 (phones-to (item.next from) to))))
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
            (format t "TOKEN %f %f %d %s %s\n"
              (item.feat (car words) 'word_start) (item.feat (car (last words)) 'word_end) (phones-to from to)
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
	phones                int
	pauseBefore, pauseEnd bool
}

// perform has festival say all takes and cuts the recordings out of them.
func (v voice) perform(takes []take) ([]sound, error) {
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
	for i := range takes {
		if clips[i], err = takes[i].cut(reports[i], filepath.Join(folder, strconv.Itoa(i)+".wav")); err != nil {
			return nil, fmt.Errorf("%s: %w", takes[i].Name, err)
		}
	}
	return clips, nil
}

// cut reads festival's report of a take and takes the recording out of it.
func (t *take) cut(report, file string) (sound, error) {
	var tokens []token
	for line := range strings.Lines(report) {
		if heard, ok := strings.CutPrefix(line, "PHONES "); ok {
			t.heard = strings.TrimSpace(heard)
		}
		var k token
		var before, end string
		n, _ := fmt.Sscanf(line, "TOKEN %f %f %d %s %s", &k.from, &k.to, &k.phones, &before, &end)
		if n == 5 {
			k.pauseBefore, k.pauseEnd = before == "pause", end == "pause"
			tokens = append(tokens, k)
		}
	}
	if len(tokens) < t.before+t.tokens || t.tokens == 0 {
		return sound{}, fmt.Errorf("%q came out as %d words", t.said, len(tokens))
	}
	tokens = tokens[t.before : t.before+t.tokens]
	for _, k := range tokens {
		t.phones += k.phones
	}
	s, err := readPCM(file)
	if err != nil {
		return s, err
	}
	first, last := tokens[0], tokens[len(tokens)-1]
	return s.cut(first.from, last.to, first.pauseBefore, last.pauseEnd), nil
}
