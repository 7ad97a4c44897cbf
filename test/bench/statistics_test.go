// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package main

import "testing"

func TestPercentile(t *testing.T) {
	hundred := make([]float64, 100)
	for i := range hundred {
		hundred[i] = float64(100 - i)
	}
	for name, test := range map[string]struct {
		values []float64
		p      float64
		want   float64
	}{
		"the 99th of a hundred is the second greatest": {hundred, 99, 99},
		"the 50th of a hundred is the fiftieth":        {hundred, 50, 50},
		"the 100th is the greatest":                    {hundred, 100, 100},
		"the 99th of a few is the greatest":            {[]float64{3, 1, 2}, 99, 3},
		"the 0th is the least":                         {[]float64{3, 1, 2}, 0, 1},
		"one value is all of them":                     {[]float64{7}, 50, 7},
	} {
		t.Run(name, func(t *testing.T) {
			if got := percentile(test.values, test.p); got != test.want {
				t.Errorf("percentile %v is %v, want %v", test.p, got, test.want)
			}
		})
	}
}

func TestMedian(t *testing.T) {
	for name, test := range map[string]struct {
		values []float64
		want   float64
	}{
		"of an odd number it is the middle":       {[]float64{9, 1, 5}, 5},
		"of an even number it is between the two": {[]float64{9, 1, 5, 3}, 4},
		"an outlier does not move it":             {[]float64{1, 2, 1000}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			if got := median(test.values); got != test.want {
				t.Errorf("median is %v, want %v", got, test.want)
			}
		})
	}
}
