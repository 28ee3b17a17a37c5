"""A batch job from beginning to end: create, wait, fetch.

Run it in a folder with `prompts/categorise.md` (the checkout's root has one), with GOOGLE_API_KEY set, or without a key
against an emulator: BATCHWRIGHT_EMULATOR_URL=http://127.0.0.1:8765.
"""

import time

from batchwright import GeminiLLM, LLMService

DOCUMENTS = [
    "Geography GCSE specification document",
    "French GCSE speaking assessment",
    "Mathematics GCSE past paper 2023",
]


def main() -> None:
    service = LLMService([GeminiLLM(system_prompt="prompts/categorise.md")])

    provider_name, job_name = service.create_batch_job([[f"Categorise this document: {text}"] for text in DOCUMENTS])
    # These two names are all that is needed to find the job again, from any program: keep them.
    print(f"Created {job_name} at {provider_name}")

    while True:
        job = service.get_batch_job_status(provider_name, job_name)
        if job.done:
            break
        print(f"  {job.state}: {job.counts.finished} of {len(DOCUMENTS)}")
        time.sleep(10)

    for text, result in zip(DOCUMENTS, service.fetch_batch_results(provider_name, job_name), strict=True):
        print(f"{text}: {result.text}")


if __name__ == "__main__":
    main()
