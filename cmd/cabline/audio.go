package main

import (
	"cabline/media/rtp"
	"cabline/pbx/sip"
)

// openRTP opens the audio of one leg as its trunk or phone wants it.
func (x *exchange) openRTP(o sip.RTPOptions) (sip.Audio, error) {
	return x.relay.Open(rtp.Options{Bind: o.Bind, Advertise: o.Advertise, Signalling: o.Peer,
		SRTP: security(o.SRTP), Keys: keys(o.DTMF), Latching: latching(o.Symmetric)})
}

func latching(s sip.Symmetry) rtp.Latching {
	switch s {
	case sip.SymmetryOff:
		return rtp.LatchOff
	case sip.SymmetryAlways:
		return rtp.LatchAlways
	}
	return rtp.LatchFirst
}

func security(s sip.SRTP) rtp.Security {
	switch s {
	case sip.SRTPOffered:
		return rtp.SRTPOffered
	case sip.SRTPRequired:
		return rtp.SRTPRequired
	}
	return rtp.SRTPOff
}

// keys is what the audio has to do with the way of keys; INFO is the leg's.
func keys(d sip.DTMF) rtp.Keys {
	switch d {
	case sip.DTMFEvents, sip.DTMFInfo:
		return rtp.KeysEvents
	case sip.DTMFInBand:
		return rtp.KeysInBand
	}
	return rtp.KeysAuto
}
