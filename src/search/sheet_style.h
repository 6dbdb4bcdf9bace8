/*
 * The contact sheet's style: light and dark by the reader's setting, one column to many, and ink
 * for paper.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AKIN_SEARCH_SHEET_STYLE_H
#define AKIN_SEARCH_SHEET_STYLE_H

extern const char sheet_style[];

#endif
