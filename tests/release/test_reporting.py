import kerasrecipes as kr


def test_the_page_has_the_fit_and_every_export_since(saved_once, tmp_path):
    kr.write_report(saved_once, tmp_path / "parts.html")
    page = (tmp_path / "parts.html").read_text("utf-8")
    assert "tflite float32" in page and "✓ same" in page
    # Beside that it is the page of the fit.
    own = saved_once.read("report.html").decode()
    assert "✓ same" not in own
    assert page.count("<img") == own.count("<img") > 0 and len(page) > len(own)
