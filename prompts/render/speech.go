package main

import (
	"embed"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"

	"cabline/prompts"
)

//go:embed ru.yaml en.yaml
var voices embed.FS

// voice says how a language is spoken by festival.
type voice struct {
	Voice string `yaml:"voice"` // festival's name of it
	// Samples are said in place of {facts} around a recording.
	Samples map[string][]string `yaml:"samples"`
	// Carriers are what is said around the words of the grammar. A word that no
	// carrier names takes the last one of its intonation.
	Carriers []carrier `yaml:"carriers"`
	// Spelled are words which festival would say wrong.
	Spelled map[string]string `yaml:"spelled"`
	// Setup is Scheme for festival, after the voice has been chosen.
	Setup string `yaml:"setup"`
}

// carrier is said around words so that they sound as in running speech; each
// beginning with each ending makes a take, of which the best is kept.
type carrier struct {
	Before []string `yaml:"before"`
	After  []string `yaml:"after"` // each ends in a punctuation mark
	End    bool     `yaml:"end"`   // for words that end a group
	Words  []string `yaml:"words"`
}

// take is one recording with all that is said around it, as festival gets it.
type take struct {
	prompts.Recording
	said   string // the whole
	before int    // how many of its tokens come before the recording
	tokens int    // how many are the recording
	heard  string // the phones of the whole, as festival said them
	phones int    // how many are the recording
	pitch  float64
}

// last tells whether the recording ends a group.
func (t take) last() bool { return strings.HasPrefix(t.After, ".") }

func loadVoice(lang string) (voice, error) {
	var v voice
	data, err := voices.ReadFile(lang + ".yaml")
	if err != nil {
		return v, err
	}
	return v, yaml.UnmarshalWithOptions(data, &v, yaml.Strict())
}

func renderLanguage(lang string, own fs.FS, into string, show bool) error {
	v, err := loadVoice(lang)
	if err != nil {
		return err
	}
	all, err := prompts.Recordings(lang, own)
	if err != nil {
		return err
	}
	var takes []take
	for _, r := range all {
		takes = append(takes, v.takes(r)...)
	}
	clips, err := v.perform(takes)
	if err != nil {
		return err
	}
	chosen := choose(takes, clips)
	if show {
		for _, i := range chosen {
			fmt.Printf("%-40s %4.0f ms %3.0f Hz %s\n    %s\n", takes[i].Name, clips[i].seconds()*1000, takes[i].pitch, takes[i].said, takes[i].heard)
		}
		return nil
	}
	best := make([]sound, len(chosen))
	for i, at := range chosen {
		best[i] = clips[at]
	}
	if clips, err = master(best); err != nil {
		return err
	}
	folder := filepath.Join(into, lang)
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	var names []string
	script := new(strings.Builder)
	for i, r := range all {
		names = append(names, r.Name)
		fmt.Fprintf(script, "%s.wav\t%s\n", r.Name, r)
		if err := writeALaw(filepath.Join(folder, r.Name+".wav"), clips[i]); err != nil {
			return err
		}
	}
	if err := sweep(folder, names); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(folder, "script.txt"), []byte(script.String()), 0o644)
}

// takes puts a recording among the words it is said with, in all ways there are.
func (v voice) takes(r prompts.Recording) []take {
	befores, afters := v.sample(r.Before), v.sample(r.After)
	if r.Word {
		c := v.carrier(r)
		befores, afters = c.Before, c.After
	}
	if len(befores) == 0 {
		befores = []string{""}
	}
	var all []take
	for _, before := range befores {
		for _, after := range afters {
			all = append(all, v.take(r, before, after))
		}
	}
	return all
}

func (v voice) take(r prompts.Recording, before, after string) take {
	before, text := v.spell(before), v.spell(r.Text)
	said := text + v.spell(after)
	if !strings.ContainsAny(after[:1], ".,") {
		said = text + " " + v.spell(after)
	}
	return take{Recording: r, said: strings.TrimSpace(before + " " + said),
		before: len(strings.Fields(before)), tokens: len(strings.Fields(text))}
}

func (v voice) carrier(r prompts.Recording) carrier {
	var last carrier
	for _, c := range v.Carriers {
		if c.End != (r.After != "") {
			continue
		}
		if slices.Contains(c.Words, r.Text) {
			return c
		}
		last = c
	}
	return last
}

// sample is what is said for a {fact}; punctuation stays.
func (v voice) sample(around string) []string {
	if fact, ok := strings.CutPrefix(around, "{"); ok {
		return v.Samples[strings.TrimSuffix(fact, "}")]
	}
	return []string{around}
}

// spell writes each word as festival reads it right; punctuation stays.
func (v voice) spell(text string) string {
	if whole, ok := v.Spelled[strings.ToLower(text)]; ok {
		return whole
	}
	words := strings.Fields(strings.NewReplacer("–", " ", "—", " ").Replace(text))
	for i, w := range words {
		bare := strings.Trim(w, ".,!?:;")
		// The names of letters are words of another sort elsewhere: а, о, у.
		if spelled, ok := v.Spelled[strings.ToLower(bare)]; ok && utf8.RuneCountInString(bare) > 1 {
			words[i] = strings.Replace(w, bare, spelled, 1)
		}
	}
	return strings.Join(words, " ")
}
