// Package prompts is the voice: it puts sentences together from recordings, in
// Russian and in English.
//
// What is said stands in texts/<language>.yaml; each piece of text between the
// facts of an order is a recording, <language>/<name>.wav, and so is each word
// of package phrase, which says the facts. A firm replaces both by its own. The
// package knows nothing of calls, and it does not log. How the recordings were
// made: README.md.
package prompts

import (
	"embed"
	"io/fs"
	"time"

	"cabline/media"
	"cabline/prompts/phrase"
)

// ID names a prompt; it is its key in texts/*.yaml.
type ID string

// Every prompt that is not about an order's status.
const (
	Greeting           ID = "greeting"            // first words to a client without an order
	Invalid            ID = "invalid"             // a key that means nothing here
	ConnectingDriver   ID = "connecting_driver"   // to a client who asked for the driver
	ConnectingOperator ID = "connecting_operator" // to a client on the way to the operators
	ConnectingClient   ID = "connecting_client"   // to a client whom we called to join with the driver
	DriverBusy         ID = "driver_busy"
	DriverNoAnswer     ID = "driver_no_answer"
	DriverUnreachable  ID = "driver_unreachable" // refused, switched off, or any other reason
	PleaseWait         ID = "please_wait"        // in line for an operator
	Sorry              ID = "sorry"              // nobody can be reached, the call ends
	MenuDriver         ID = "menu_driver"        // key 1
	MenuOperator       ID = "menu_operator"      // key 2
	MenuRepeat         ID = "menu_repeat"        // key 9
	MenuZero           ID = "menu_zero"          // key 0, the operator

	// To a driver who calls.
	ConnectingToClient ID = "connecting_to_client"
	ClientBusy         ID = "client_busy"
	ClientNoAnswer     ID = "client_no_answer"
	ClientUnreachable  ID = "client_unreachable"
	MenuThisOrder      ID = "menu_this_order" // key 1
	MenuNextOrder      ID = "menu_next_order" // key 2

	// Of calls that tell a client news.
	NoticeGreeting  ID = "notice_greeting"   // who calls
	MenuKeepLooking ID = "menu_keep_looking" // key 1, where no car was found
	MenuComingOut   ID = "menu_coming_out"   // key 3
	MenuFiveMinutes ID = "menu_five_minutes" // key 4
	MenuCancel      ID = "menu_cancel"       // key 6
	MenuOptOut      ID = "menu_opt_out"      // key 8
	AnswerPassedOn  ID = "answer_passed_on"  // dispatch is told what the client answered
	AnswerLooking   ID = "answer_looking"    // a car is looked for again
	AnswerCancelled ID = "answer_cancelled"  // the order is cancelled
	AnswerOptedOut  ID = "answer_opted_out"  // no more notices
	AnswerRefused   ID = "answer_refused"    // dispatch says no; the client goes to an operator
)

// IDs is every prompt there is.
var IDs = []ID{Greeting, Invalid, ConnectingDriver, ConnectingOperator, ConnectingClient, DriverBusy, DriverNoAnswer,
	DriverUnreachable, PleaseWait, Sorry, MenuDriver, MenuOperator, MenuRepeat, MenuZero,
	ConnectingToClient, ClientBusy, ClientNoAnswer, ClientUnreachable, MenuThisOrder, MenuNextOrder,
	NoticeGreeting, MenuKeepLooking, MenuComingOut, MenuFiveMinutes, MenuCancel, MenuOptOut, AnswerPassedOn, AnswerLooking, AnswerCancelled, AnswerRefused,
	AnswerOptedOut}

// Facts are what may be said about an order. A fact that is empty, or has no
// sound, is left out together with its label.
type Facts struct {
	Status string // a key of "orders" in texts/*.yaml

	Color, Mark, Model, Plate string

	Minutes *int // to arrival; nil: not known, 0: soon
	Price   int  // whole roubles; 0: not known
}

//go:embed texts ru en music.wav
var shipped embed.FS

// Voice says prompts in one language. It is made once and shared by all calls:
// the speeches it returns share their sounds, and nobody may change them.
type Voice struct {
	grammar phrase.Language
	say     map[ID]sentence
	orders  map[string]sentence
	soon    []string
	clips   map[string]sound // by text, as sentences and phrase have it
	music   sound
	unused  []string
}

// The silences between clips, which are cut without any of their own.
const (
	wordPause     = 160 * time.Millisecond // between groups of words, at a comma
	sentencePause = 420 * time.Millisecond // after a sentence
)

// Load prepares a language, "ru" or "en". own holds the firm's replacements and
// may be nil: texts/<language>.yaml with the texts that differ, recordings
// <language>/<name>.wav, and music.wav. The error lists every text that has no
// recording and every recording that is no telephone audio (8000 Hz, mono, A-law, µ-law or PCM of 16 bits).
func Load(lang string, own fs.FS) (*Voice, error) {
	grammar, err := phrase.Of(lang)
	if err != nil {
		return nil, err
	}
	t, err := loadTexts(lang, own)
	if err != nil {
		return nil, err
	}
	clips, unused, err := loadClips(lang, own, t, grammar.Words())
	if err != nil {
		return nil, err
	}
	music, err := loadClip(own, "music")
	if err != nil {
		return nil, err
	}
	return &Voice{grammar: grammar, say: t.say, orders: t.orders, soon: t.soon.texts(), clips: clips, music: music, unused: unused}, nil
}

// Say is a prompt. It ends with the pause after a sentence, so that speeches
// may be put one behind another.
func (v *Voice) Say(id ID) media.Speech { return v.build(v.say[id], nil) }

// Menu is the choices of a menu, one after another.
func (v *Voice) Menu(choices ...ID) media.Speech {
	var all media.Speech
	for _, id := range choices {
		all = append(all, v.Say(id)...)
	}
	return all
}

// OrderStatus tells how an order stands; nil when its status has no text.
func (v *Voice) OrderStatus(f Facts) media.Speech {
	return v.build(v.orders[f.Status], v.facts(f))
}

// Music is played while a client waits; it is made to be repeated.
func (v *Voice) Music() media.Clip { return v.music() }

// Unused are the firm's own recordings, as paths, which no text needs: mostly
// names typed wrong.
func (v *Voice) Unused() []string { return v.unused }

// facts says what can be said of an order, each by its name in the texts.
func (v *Voice) facts(f Facts) map[string]media.Speech {
	said := map[string]media.Speech{
		factCar:         v.words(v.grammar.Car(f.Mark, f.Model)),
		factColor:       v.words(v.grammar.Color(f.Color)),
		factPlate:       v.words(v.grammar.Plate(f.Plate, false)),
		factPlateRegion: v.words(v.grammar.Plate(f.Plate, true)),
	}
	switch {
	case f.Minutes == nil:
	case *f.Minutes == 0 && len(v.soon) > 0:
		said[factMinutes] = v.words(v.soon)
	default:
		said[factMinutes] = v.words(v.grammar.Minutes(*f.Minutes))
	}
	if f.Price > 0 {
		said[factPrice] = v.words(v.grammar.Roubles(f.Price))
	}
	return said
}

// clip is the sound of a text.
func (v *Voice) clip(text string) media.Clip {
	if load := v.clips[text]; load != nil {
		return load()
	}
	return media.Clip{}
}

// words finds the sounds of words, each of which Load has made sure of.
func (v *Voice) words(words []string) media.Speech {
	var s media.Speech
	for _, w := range words {
		if w == phrase.Pause {
			s = append(s, silence(wordPause))
			continue
		}
		s = append(s, v.clip(w))
	}
	return s
}

// build puts a sentence together. Pauses next to each other count once, and
// none stands at the beginning.
func (v *Voice) build(s sentence, facts map[string]media.Speech) media.Speech {
	var speech media.Speech
	pause := time.Duration(0)
	for _, g := range s {
		if !g.sayable(facts) {
			continue
		}
		for _, p := range g.pieces {
			clips := facts[p.fact]
			if p.text != "" {
				clips = media.Speech{v.clip(p.text)}
			}
			if len(clips) == 0 {
				pause = max(pause, p.pause)
				continue
			}
			if pause > 0 && len(speech) > 0 {
				speech = append(speech, silence(pause))
			}
			speech, pause = append(speech, clips...), 0
		}
	}
	if len(speech) > 0 {
		speech = append(speech, silence(max(pause, sentencePause)))
	}
	return speech
}
